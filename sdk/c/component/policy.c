/* What a policy exports. */
#include "glue.h"

_Static_assert(sizeof(grille_object) == sizeof(exports_grille_plugin_policy_object_t), "objects differ");

static grille_action action_of(const exports_grille_plugin_policy_action_t *what) {
    return (grille_action){
        .kind = grille_from_string(what->kind),
        .effects = (const grille_text *)what->effects.ptr,
        .effects_count = what->effects.len,
        .objects = (const grille_object *)what->objects.ptr,
        .objects_count = what->objects.len,
        .features = (const grille_text *)what->features.ptr,
        .features_count = what->features.len,
        .text = grille_from_string(what->text),
        .fingerprint = what->fingerprint,
        .attributes = (const grille_attribute *)what->attributes.ptr,
        .attributes_count = what->attributes.len,
    };
}

static exports_grille_plugin_policy_approval_t give_approval(const grille_approval *approval) {
    exports_grille_plugin_policy_approval_t given = {
        .reason = grille_to_string(approval->reason),
        .approvers = { grille_give(approval->approvers_count, sizeof(plugin_string_t)), approval->approvers_count },
        .ttl_s = approval->ttl_s == 0 ? GRILLE_TTL_S_DEFAULT : approval->ttl_s,
    };
    for (size_t i = 0; i < approval->approvers_count; i++) {
        given.approvers.ptr[i] = grille_to_string(approval->approvers[i]);
    }
    return given;
}

static void give_verdict(const grille_decision *decision, exports_grille_plugin_policy_verdict_t *out) {
    switch (decision->verdict) {
    case GRILLE_VERDICT_ALLOW:
        out->tag = EXPORTS_GRILLE_PLUGIN_POLICY_VERDICT_ALLOW;
        return;
    case GRILLE_VERDICT_DENY:
        out->tag = EXPORTS_GRILLE_PLUGIN_POLICY_VERDICT_DENY;
        out->val.deny = grille_to_string(decision->reason);
        return;
    case GRILLE_VERDICT_HOLD:
        out->tag = EXPORTS_GRILLE_PLUGIN_POLICY_VERDICT_HOLD;
        out->val.hold = give_approval(&decision->approval);
        return;
    case GRILLE_VERDICT_REWRITE:
        out->tag = EXPORTS_GRILLE_PLUGIN_POLICY_VERDICT_REWRITE;
        out->val.rewrite = grille_to_string(decision->statement);
        return;
    case GRILLE_VERDICT_NONE:
        break;
    }
    /* The session has refused decisions without a verdict. */
    __builtin_trap();
}

static void give_decision(const grille_decision *decision, exports_grille_plugin_policy_decision_t *out) {
    give_verdict(decision, &out->verdict);
    size_t count = decision->obligations_count;
    out->obligations.ptr = grille_give(count, sizeof(exports_grille_plugin_policy_attribute_t));
    out->obligations.len = count;
    for (size_t i = 0; i < count; i++) {
        out->obligations.ptr[i].key = grille_to_string(decision->obligations[i].key);
        out->obligations.ptr[i].value = grille_to_string(decision->obligations[i].value);
    }
}

bool exports_grille_plugin_policy_decide(exports_grille_plugin_policy_action_t *what,
                                         exports_grille_plugin_policy_decision_t *ret,
                                         exports_grille_plugin_policy_failure_t *err) {
    grille_arena arena = { 0 };
    grille_call call = grille_call_start(&grille_the_session, &arena);
    grille_action action = action_of(what);
    grille_decision decision;
    bool decided = grille_session_decide(&grille_the_session, &call, &action, &decision);
    if (decided) {
        give_decision(&decision, ret);
    } else {
        err->message = grille_to_string(call.failure);
    }
    grille_arena_free(&arena);
    exports_grille_plugin_policy_action_free(what);
    return decided;
}

#include "glue.h"

static grille_text copy(grille_call *call, plugin_string_t string) {
    return grille_copy(call->arena, grille_from_string(string));
}

static void take_reply(grille_call *call, const grille_plugin_egress_reply_t *from, grille_reply *reply) {
    grille_attribute *headers = grille_alloc_array(call->arena, from->headers.len, sizeof(grille_attribute));
    for (size_t i = 0; i < from->headers.len; i++) {
        headers[i] = (grille_attribute){ copy(call, from->headers.ptr[i].key), copy(call, from->headers.ptr[i].value) };
    }
    *reply = (grille_reply){
        .status = from->status,
        .headers = headers,
        .headers_count = from->headers.len,
        .body = grille_copy(call->arena, (grille_text){ (const char *)from->body.ptr, from->body.len }),
    };
}

bool grille_egress_fetch(grille_call *call, const grille_request *request, grille_reply *reply) {
    plugin_string_t method = grille_lend(request->method), url = grille_lend(request->url);
    grille_plugin_egress_list_attribute_t headers = {
        (grille_plugin_egress_attribute_t *)request->headers,
        request->headers_count,
    };
    plugin_list_u8_t body = { (uint8_t *)request->body.data, request->body.length };
    grille_plugin_egress_reply_t replied;
    grille_plugin_egress_failure_t failure;
    if (!grille_plugin_egress_fetch(&method, &url, &headers, &body, &replied, &failure)) {
        grille_fail(call, grille_from_string(failure.message));
        grille_plugin_egress_failure_free(&failure);
        return false;
    }
    take_reply(call, &replied, reply);
    grille_plugin_egress_reply_free(&replied);
    return true;
}

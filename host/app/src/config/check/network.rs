//! Listeners and upstreams: what is open, what is encrypted, who logs in where.

use grille_core::UpstreamName;
use grille_proxy::settings::{
    ClientAuthentication, ListenerSettings, OauthAdvice, ProxySettings, SecretSource, ServerTls,
    UpstreamSettings, UpstreamTls, WeakAuthentication,
};

use super::{Check, is_loopback, is_loopback_host};
use crate::config::file::{
    self, ACCEPT_PLAINTEXT_DATA, ACCEPT_PLAINTEXT_TOKENS, Authentication, File, TlsMode,
};
use crate::config::problem::Problem;

/// What makes an OAuth request one of OpenID Connect (OpenID Connect Core, section 3.1.2.1).
const DEFAULT_OAUTH_SCOPE: &str = "openid";

impl Check<'_> {
    /// What of the data plane needs a restart to change.
    pub(super) fn proxy(&mut self, file: &File) -> Option<ProxySettings> {
        let listeners: Vec<_> = file.listener.iter().map(|listener| self.listener(listener, file)).collect();
        let token_key = self.token_key(&file.keys);
        let limits = self.proxy_limits(&file.limits)?;
        Some(ProxySettings {
            listeners: listeners.into_iter().collect::<Option<_>>()?,
            token_key,
            authentication_timeout: limits.authentication_timeout,
            connections_max: limits.connections_max,
            message_bytes_max: limits.message_bytes_max,
            statement_bytes_max: limits.statement_bytes_max,
            drain_timeout: limits.drain_timeout,
        })
    }

    fn token_key(&mut self, keys: &file::Keys) -> Option<SecretSource> {
        self.secret(keys.token.as_ref()?)
    }

    fn listener(&mut self, listener: &file::Listener, file: &File) -> Option<ListenerSettings> {
        let accepted = self.accepts(listener.insecure_plaintext.as_ref(), ACCEPT_PLAINTEXT_TOKENS);
        let address = self.address(&listener.address)?;
        let plaintext = *listener.allow_plaintext;
        if listener.tls.is_none() && !plaintext {
            let problem = Problem::error(
                listener.address.span(),
                "this listener has no `tls` and does not allow plaintext: no client could send its token",
            );
            self.problems.push(problem.help("add tls = { certificate = \"…\", key = \"…\" }"));
        }
        if plaintext && !accepted && !is_loopback(address.ip()) {
            let problem = Problem::error(
                listener.allow_plaintext.span(),
                format!(
                    "{address} can be reached from other machines, and a token sent to it unencrypted be stolen"
                ),
            );
            self.problems.push(problem.help(format!(
                "remove allow_plaintext and add tls, or add insecure_plaintext = \"{ACCEPT_PLAINTEXT_TOKENS}\""
            )));
        }
        let tls = listener.tls.as_ref();
        Some(ListenerSettings {
            name: (*listener.name).clone(),
            address,
            tls: tls
                .map(|tls| ServerTls { certificate: self.path(&tls.certificate), key: self.path(&tls.key) }),
            plaintext,
            authentication: self.client_authentication(listener, file)?,
        })
    }

    fn client_authentication(
        &mut self,
        listener: &file::Listener,
        file: &File,
    ) -> Option<ClientAuthentication> {
        match *listener.authentication {
            file::ClientAuthentication::Password => {
                for advice in [&listener.oauth_issuer, &listener.oauth_scope].into_iter().flatten() {
                    self.error(advice, "this has no meaning without authentication = \"oauthbearer\"");
                }
                Some(ClientAuthentication::Password)
            }
            file::ClientAuthentication::OauthBearer => {
                let advice = self.oauth_advice(listener, file)?;
                Some(ClientAuthentication::OauthBearer(advice))
            }
        }
    }

    fn oauth_advice(&mut self, listener: &file::Listener, file: &File) -> Option<OauthAdvice> {
        if let Some(scope) = listener.oauth_scope.as_ref().filter(|scope| !is_scope(scope)) {
            self.error(
                scope,
                "these are not OAuth scopes: words in printable ASCII, without quotes and backslashes",
            );
        }
        let issuer = match &listener.oauth_issuer {
            Some(issuer) => {
                let known = file.issuer.iter().map(|known| known.issuer.as_str());
                self.known("issuer", issuer, known).then_some(issuer)?
            }
            // That there is none is told elsewhere.
            None => &file.issuer.first()?.issuer,
        };
        let scope = listener.oauth_scope.as_deref().map_or(DEFAULT_OAUTH_SCOPE, String::as_str);
        Some(OauthAdvice { issuer: (**issuer).clone(), scope: scope.to_owned() })
    }

    /// A backend.
    pub(super) fn upstream(&mut self, upstream: &file::Upstream) -> Option<UpstreamSettings> {
        self.host(upstream);
        let weak_authentication = weak_authentication(&upstream.authentication);
        if upstream.password.is_none() && !weak_authentication.trust {
            let problem = Problem::error(upstream.user.span(), "this upstream has no `password`");
            self.problems.push(problem.help(
                "add password = { env = \"NAME\" } or { file = \"PATH\" }, or \"trust\" to `authentication` if the \
                 server asks for none",
            ));
        }
        let password = match &upstream.password {
            Some(password) => Some(self.secret(password)?),
            None => None,
        };
        let name = UpstreamName::new(upstream.name.as_str());
        let database = upstream.database.as_ref().unwrap_or(&upstream.name);
        Some(UpstreamSettings {
            name,
            host: (*upstream.host).clone(),
            port: *upstream.port,
            database: (**database).clone(),
            user: (*upstream.user).clone(),
            password,
            tls: self.upstream_tls(upstream),
            weak_authentication,
            connect_timeout: self.period("connect_timeout", &upstream.connect_timeout, 100, 300_000)?,
        })
    }

    fn host(&mut self, upstream: &file::Upstream) {
        let host = upstream.host.as_str();
        // A URL or `user:password@host` is not quoted back: it may hold a password.
        if host.is_empty() || host.contains(['/', '@', ' ']) {
            let problem = Problem::error(upstream.host.span(), "this is not a DNS name or IP address");
            self.problems.push(problem.help("port, database, user and password have keys of their own"));
        }
        if *upstream.port == 0 {
            self.error(&upstream.port, "0 is not a port");
        }
        for (what, text) in [("user", Some(&upstream.user)), ("database", upstream.database.as_ref())] {
            if let Some(text) = text
                && (text.is_empty() || text.contains('\0'))
            {
                self.error(text, format!("`{what}` must not be empty"));
            }
        }
    }

    fn upstream_tls(&mut self, upstream: &file::Upstream) -> UpstreamTls {
        let tls = &upstream.tls;
        let accepted = self.accepts(tls.insecure_plaintext.as_ref(), ACCEPT_PLAINTEXT_DATA);
        match tls.mode {
            TlsMode::Verify => UpstreamTls::Verify { ca: self.optional_path(tls.ca.as_ref()) },
            TlsMode::Disable => {
                if let Some(ca) = &tls.ca {
                    self.error(ca, "`ca` has no meaning with mode = \"disable\"");
                }
                if !accepted && !is_loopback_host(&upstream.host) {
                    let problem = Problem::error(
                        tls.span(),
                        "this upstream is on another machine, and data and password would cross the network \
                         unencrypted",
                    );
                    self.problems.push(problem.help(format!(
                        "use mode = \"verify\", or add insecure_plaintext = \"{ACCEPT_PLAINTEXT_DATA}\""
                    )));
                }
                UpstreamTls::Disable
            }
        }
    }
}

/// RFC 6749, section 3.3.
fn is_scope(text: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    text.split(' ').all(|word| !word.is_empty() && word.bytes().all(allowed))
}

fn weak_authentication(accepted: &[Authentication]) -> WeakAuthentication {
    WeakAuthentication {
        md5: accepted.contains(&Authentication::Md5),
        trust: accepted.contains(&Authentication::Trust),
    }
}

//! What is answered to which request. No sockets here.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use prometheus_client::registry::Registry;
use serde_json::json;

/// Why Grille is not ready, each reason a short sentence without names of hosts or people; none, when it is.
/// Called for each request to `/readyz`, so it must not block.
pub type Readiness = dyn Fn() -> Vec<String> + Send + Sync;

/// OpenMetrics 1.0, section "Text Format".
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON_TYPE: &str = "application/json";
/// RFC 9457, section 3.
const PROBLEM_TYPE: &str = "application/problem+json";

pub(crate) type Answer = Response<Full<Bytes>>;

/// The answer to a request.
pub(crate) fn answer(method: &Method, path: &str, registry: &Registry, readiness: &Readiness) -> Answer {
    let page: fn(&Registry, &Readiness) -> Answer = match path {
        "/healthz" => |_, _| text(StatusCode::OK, "text/plain; charset=utf-8", "ok\n".into()),
        "/readyz" => |_, readiness| ready(&readiness()),
        "/metrics" => |registry, _| metrics(registry),
        _ => return problem(StatusCode::NOT_FOUND, "There is /healthz, /readyz and /metrics."),
    };
    if method == Method::GET {
        return page(registry, readiness);
    }
    let mut refused = problem(StatusCode::METHOD_NOT_ALLOWED, "Only GET is answered here.");
    refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    refused
}

fn ready(reasons: &[String]) -> Answer {
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({ "ready": reasons.is_empty(), "reasons": reasons });
    text(status, JSON_TYPE, format!("{body}\n"))
}

fn metrics(registry: &Registry) -> Answer {
    let mut body = String::new();
    match prometheus_client::encoding::text::encode(&mut body, registry) {
        Ok(()) => text(StatusCode::OK, METRICS_TYPE, body),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be encoded");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "The metrics cannot be encoded; see the log.")
        }
    }
}

fn problem(status: StatusCode, detail: &str) -> Answer {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({ "title": title, "status": status.as_u16(), "detail": detail });
    text(status, PROBLEM_TYPE, format!("{body}\n"))
}

fn text(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

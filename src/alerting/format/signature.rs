//! The headers of Standard Webhooks, signature included:
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::config::Secret;

/// `webhook-id` and `webhook-timestamp` always, `webhook-signature` where there is a secret: one signature for each, so
/// that a receiver that knows an old or a new one accepts.
pub(super) fn headers(
    id: &str,
    sent_at: i64,
    body: &str,
    secrets: &[Secret],
) -> Vec<(String, String)> {
    let mut headers = vec![
        ("webhook-id".to_owned(), id.to_owned()),
        ("webhook-timestamp".to_owned(), sent_at.to_string()),
    ];
    let signatures: Vec<String> =
        secrets.iter().map(|secret| signature(secret, id, sent_at, body)).collect();
    if !signatures.is_empty() {
        headers.push(("webhook-signature".to_owned(), signatures.join(" ")));
    }
    headers
}

fn signature(secret: &Secret, id: &str, sent_at: i64, body: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{sent_at}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

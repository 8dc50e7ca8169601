//! Styles, the script and icons: compiled in, and named by their content, so that browsers keep them for good and take a
//! new one at once.

use std::sync::LazyLock;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::http::problem::{Problem, shown};
use crate::http::query;

/// Name, type and content.
type File = (&'static str, &'static str, &'static str);

const SVG: &str = "image/svg+xml";

/// Every file that pages ask for.
const FILES: [File; 8] = [
    ("style.css", "text/css; charset=utf-8", include_str!("../../../assets/style.css")),
    ("overdue.js", "text/javascript; charset=utf-8", include_str!("../../../assets/overdue.js")),
    ("detail.css", "text/css; charset=utf-8", include_str!("../../../assets/detail.css")),
    ("detail.js", "text/javascript; charset=utf-8", include_str!("../../../assets/detail.js")),
    ("icon-bad.svg", SVG, include_str!("../../../assets/icon-bad.svg")),
    ("icon-late.svg", SVG, include_str!("../../../assets/icon-late.svg")),
    ("icon-up.svg", SVG, include_str!("../../../assets/icon-up.svg")),
    ("icon-idle.svg", SVG, include_str!("../../../assets/icon-idle.svg")),
];

/// A file as it is served.
struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static str,
    /// What it holds, in 16 hexadecimal digits.
    version: String,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let asset = |(name, kind, content): File| {
        let digest = Sha256::digest(content.as_bytes());
        let version = HEXLOWER.encode(&digest[..8]);
        Asset { name, kind, content, version }
    };
    FILES.into_iter().map(asset).collect()
});

/// The path of a file: `/assets/style.0123456789abcdef.css`.
pub(super) fn href(name: &str) -> String {
    let asset = ASSETS.iter().find(|asset| asset.name == name);
    let version = asset.map_or("", |asset| asset.version.as_str());
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    format!("/assets/{stem}.{version}.{extension}")
}

/// `GET /assets/{name}`. A page of another version may ask for what its file was then; it gets what there is, and is to
/// ask again.
pub(crate) async fn asset(request: Request) -> Result<Response, Problem> {
    let asked = query::last_segment(request.uri().path(), "name")?;
    let mut parts = asked.split('.');
    let (stem, version, extension) = (parts.next(), parts.next(), parts.next());
    let found = ASSETS.iter().find(|asset| {
        asset.name.rsplit_once('.').is_some_and(|(name, kind)| {
            stem == Some(name) && (extension == Some(kind)) && parts.clone().next().is_none()
        })
    });
    let Some(asset) = found else {
        return Err(Problem::NotFound(format!("there is no file {}", shown(&asked))));
    };
    let is_present = version == Some(asset.version.as_str());
    let keep = if is_present { "public, max-age=31536000, immutable" } else { "no-cache" };
    let tag = format!("\"{}\"", asset.version);
    let is_known = request
        .headers()
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|tags| tags.to_str().ok())
        .any(|tags| tags.split(',').any(|one| one.trim().trim_start_matches("W/") == tag));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, asset.kind)], asset.content).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}

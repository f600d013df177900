//! The stylesheet, the script and the logo: built in, named by their content, so that browsers keep
//! them for good and never keep an old one.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// A file served as it is.
#[derive(Debug)]
pub struct Asset {
    path: String,
    etag: HeaderValue,
    content_type: &'static str,
    body: &'static str,
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "style",
        "css",
        "text/css; charset=utf-8",
        include_str!("../assets/style.css"),
    )
});
static CONSOLE_STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "console",
        "css",
        "text/css; charset=utf-8",
        include_str!("../assets/console.css"),
    )
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "sign-in",
        "js",
        "text/javascript; charset=utf-8",
        include_str!("../assets/sign-in.js"),
    )
});
static LOGO: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "gate",
        "svg",
        "image/svg+xml",
        include_str!("../assets/gate.svg"),
    )
});

pub fn style() -> &'static Asset {
    &STYLE
}
pub fn console_style() -> &'static Asset {
    &CONSOLE_STYLE
}
pub fn script() -> &'static Asset {
    &SCRIPT
}
pub fn logo() -> &'static Asset {
    &LOGO
}

impl Asset {
    fn new(name: &str, extension: &str, content_type: &'static str, body: &'static str) -> Self {
        let hash = hex::encode(&Sha256::digest(body.as_bytes())[..8]);
        Self {
            path: format!("/assets/{name}-{hash}.{extension}"),
            etag: HeaderValue::from_str(&format!("\"{hash}\"")).expect("hex is visible ASCII"),
            content_type,
            body,
        }
    }

    pub fn path(&self) -> &str {
        &self.path
    }
}

/// `GET /assets/{name}`
pub async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let assets: [&'static Asset; 4] = [&STYLE, &CONSOLE_STYLE, &SCRIPT, &LOGO];
    let Some(asset) = assets
        .into_iter()
        .find(|asset| asset.path.strip_prefix("/assets/") == Some(name.as_str()))
    else {
        return crate::error::PageError::NotFound.into_response();
    };
    let kept = headers.get(header::IF_NONE_MATCH) == Some(&asset.etag);
    let fields = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(asset.content_type),
        ),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        ),
        (header::ETAG, asset.etag.clone()),
    ];
    if kept {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    (fields, asset.body).into_response()
}

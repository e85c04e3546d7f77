//! The URLs that can be fetched: plain `http://`, nothing hidden in them.

use http::Uri;

/// Where a page is.
#[derive(Debug)]
pub struct Url {
    /// A name or an address; an IPv6 one without its brackets.
    pub host: String,
    pub port: u16,
    /// Host and port as they were written, for the `Host` header.
    pub authority: String,
    /// Path and query.
    pub target: String,
    path: String,
}

#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    #[error("bad URL: {0}")]
    Invalid(#[from] http::uri::InvalidUri),
    #[error("bad URL: no host in it")]
    NoHost,
    #[error("bad URL: the port is not a number up to 65535")]
    Port,
    #[error("bad URL: it has to begin with http://")]
    Scheme,
    #[error("bad URL: user names and passwords are not supported")]
    User,
}

impl Url {
    pub fn parse(text: &str) -> Result<Url, UrlError> {
        let uri: Uri = text.parse()?;
        if uri.scheme_str() != Some("http") {
            return Err(UrlError::Scheme);
        }
        let authority = uri.authority().ok_or(UrlError::NoHost)?.as_str();
        let host = uri.host().unwrap_or_default();
        if authority.contains('@') {
            return Err(UrlError::User);
        }
        let port = match authority.strip_prefix(host) {
            Some("") => 80,
            _ => uri
                .port_u16()
                .filter(|&port| port > 0)
                .ok_or(UrlError::Port)?,
        };
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        if host.is_empty() {
            return Err(UrlError::NoHost);
        }
        Ok(Url {
            host: host.into(),
            port,
            authority: authority.into(),
            target: uri.path_and_query().map_or("/", |it| it.as_str()).into(),
            path: uri.path().into(),
        })
    }

    /// The last part of the path, if it can name a file.
    pub fn last_segment(&self) -> Option<&str> {
        let (_, last) = self.path.rsplit_once('/')?;
        (!matches!(last, "" | "." | "..")).then_some(last)
    }
}

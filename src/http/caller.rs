//! Who calls: from which address, and with which key.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::http::{Extensions, HeaderMap};

/// The other end of the connection; the accept loop puts it into every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    address: IpAddr,
    /// The same as it is stored with every ping.
    text: Arc<str>,
}

impl Peer {
    pub(super) fn new(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, text: address.to_string().into() }
    }

    /// The text of `address`, which is its own unless a proxy has passed the request on.
    pub(super) fn text_of(&self, address: IpAddr) -> Arc<str> {
        if address == self.address { Arc::clone(&self.text) } else { address.to_string().into() }
    }
}

/// Who calls, as an extension of every request that reaches a handler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Its address: what a proxy says where one is configured, else the other end of the connection. `None` where the
    /// request came over no connection.
    pub address: Option<IpAddr>,
    /// The label of the key that it has shown; `None` where none was asked for.
    pub key: Option<String>,
}

/// The address that a request comes from. Callers write what they like into a header, and proxies add what they see
/// behind it, so the last address counts.
pub(super) fn address(
    headers: &HeaderMap,
    extensions: &Extensions,
    proxy_header: Option<&str>,
) -> Option<IpAddr> {
    let passed_on = proxy_header.and_then(|name| {
        let last = headers.get_all(name).iter().next_back()?.to_str().ok()?;
        let last = last.rsplit(',').next()?.trim();
        let bare = last.strip_prefix('[').and_then(|inside| inside.split(']').next());
        bare.unwrap_or(last).parse().ok()
    });
    let address = passed_on.or_else(|| extensions.get::<Peer>().map(|peer| peer.address));
    address.map(|address: IpAddr| address.to_canonical())
}

/// Who has one IPv6 address has the 2⁶⁴ beside it too.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn seen(values: &[&'static str], header: Option<&str>) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-forwarded-for", HeaderValue::from_static(value));
        }
        let mut extensions = Extensions::new();
        extensions.insert(Peer::new("::ffff:10.0.0.9".parse().unwrap()));
        address(&headers, &extensions, header).map(|address| address.to_string())
    }

    #[test]
    fn the_last_address_that_the_proxy_added_counts_and_only_in_the_header_that_is_set() {
        let with = |values| seen(values, Some("x-forwarded-for"));
        assert_eq!(with(&["203.0.113.7"]).unwrap(), "203.0.113.7");
        assert_eq!(with(&["1.2.3.4, 203.0.113.7"]).unwrap(), "203.0.113.7");
        assert_eq!(with(&["1.2.3.4", "203.0.113.7"]).unwrap(), "203.0.113.7");
        assert_eq!(with(&["[2001:db8::1]:443"]).unwrap(), "2001:db8::1");
        assert_eq!(with(&["unknown"]).unwrap(), "10.0.0.9");
        assert_eq!(with(&[]).unwrap(), "10.0.0.9");
        assert_eq!(seen(&["203.0.113.7"], None).unwrap(), "10.0.0.9");
    }
}

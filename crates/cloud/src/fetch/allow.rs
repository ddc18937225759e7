//! `[fetch] allow`: the hosts that functions may reach.

use std::net::IpAddr;

use tandem_contract::{Error, ErrorKind, Result};
use url::{Host, Url};

use super::address::Reach;

/// The hosts that functions may reach; none when it is empty.
#[derive(Debug)]
pub(super) struct AllowList(Vec<Entry>);

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    host: Pattern,
    /// Any port where left out.
    port: Option<u16>,
}

#[derive(Debug, PartialEq, Eq)]
enum Pattern {
    /// `*`
    Any,
    /// `*.example.com`: every name that ends in `.example.com`.
    Under(String),
    /// A name, or an address as text.
    Exactly(String),
}

impl AllowList {
    /// Reads the entries of the config.
    ///
    /// # Errors
    /// `InvalidArgument` naming the entry that is none.
    pub(super) fn parse(entries: &[String]) -> Result<Self> {
        entries.iter().map(|entry| parse_entry(entry)).collect::<Result<_>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `url` may be fetched, as far as its text tells.
    ///
    /// # Errors
    /// `Forbidden` naming the host and the setting.
    pub(super) fn check(&self, url: &Url) -> Result<()> {
        let host = url.host_str().unwrap_or_default();
        if self.is_empty() {
            return Err(Error::new(
                ErrorKind::Forbidden,
                format!("fetch is off: add {host:?} to `allow` under [fetch] in the config"),
            ));
        }
        let port = url.port_or_known_default();
        if !self
            .0
            .iter()
            .any(|entry| entry.port.is_none_or(|only| Some(only) == port) && entry.host.matches(host))
        {
            return Err(Error::new(
                ErrorKind::Forbidden,
                format!("fetch may not reach {host:?}: add it to `allow` under [fetch] in the config"),
            ));
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_address(host, IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => self.check_address(host, IpAddr::V6(address)),
            _ => Ok(()),
        }
    }

    /// Whether `host` may lead to `address`.
    ///
    /// # Errors
    /// `Forbidden` naming the host and what its address is.
    pub(super) fn check_address(&self, host: &str, address: IpAddr) -> Result<()> {
        let reach = super::address::reach(address);
        if reach <= self.furthest(host) {
            return Ok(());
        }
        let what = if reach == Reach::Local { "this machine or its link" } else { "a private network" };
        let how =
            if reach == Reach::Local { "list the address itself" } else { "list the host by its full name" };
        Err(Error::new(
            ErrorKind::Forbidden,
            format!(
                "fetch may not reach {host:?}: its address belongs to {what}; if that is meant, {how} in `allow` under [fetch] in the config"
            ),
        ))
    }

    /// How far `host` may lead. An operator who writes a host in full knows where it is; a
    /// pattern says nothing of the kind. Even a host that is written in full leads to this
    /// machine only if that is what its text says: names are under somebody else's control.
    fn furthest(&self, host: &str) -> Reach {
        let listed =
            self.0.iter().any(|entry| matches!(&entry.host, Pattern::Exactly(exact) if exact == host));
        match listed {
            false => Reach::Public,
            true if host == "localhost" || matches!(Host::parse(host), Ok(Host::Ipv4(_) | Host::Ipv6(_))) => {
                Reach::Local
            }
            true => Reach::Private,
        }
    }
}

impl Pattern {
    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Under(parent) => {
                host.strip_suffix(parent.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            Self::Exactly(exact) => host == exact,
        }
    }
}

fn parse_entry(text: &str) -> Result<Entry> {
    let refuse = || {
        Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "fetch.allow: {text:?} is not a host: write example.com, example.com:8443, *.example.com or *"
            ),
        )
    };
    let (host, port) = split_port(text).ok_or_else(refuse)?;
    let pattern = match host.strip_prefix("*.") {
        _ if host == "*" => Pattern::Any,
        Some(parent) => Pattern::Under(normal(parent).ok_or_else(refuse)?),
        None => Pattern::Exactly(normal(host).ok_or_else(refuse)?),
    };
    Ok(Entry { host: pattern, port })
}

fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    // An IPv6 address has colons of its own: only what follows its bracket is a port.
    let after_address = text.rfind(']').map_or(0, |end| end + 1);
    match text[after_address..].split_once(':') {
        None => Some((text, None)),
        Some((before, port)) => {
            let port = port.parse().ok().filter(|port| *port > 0)?;
            Some((&text[..after_address + before.len()], Some(port)))
        }
    }
}

/// The host as addresses spell it: lower case, punycode, IPv6 in brackets.
fn normal(host: &str) -> Option<String> {
    Host::parse(host).ok().map(|host| host.to_string()).filter(|host| !host.contains('*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> AllowList {
        AllowList::parse(&entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn allows(entries: &[&str], url: &str) -> bool {
        list(entries).check(&Url::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn an_empty_list_names_its_setting() {
        let error = list(&[]).check(&Url::parse("https://example.com/").unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden);
        assert!(error.message().contains("example.com") && error.message().contains("[fetch]"), "{error}");
    }

    #[test]
    fn hosts_match_in_full_or_by_pattern() {
        assert!(allows(&["example.com"], "https://EXAMPLE.com:8443/x"));
        assert!(!allows(&["example.com"], "https://a.example.com/"));
        assert!(!allows(&["example.com"], "https://badexample.com/"));
        assert!(allows(&["*.example.com"], "https://a.b.example.com/"));
        assert!(!allows(&["*.example.com"], "https://example.com/"));
        assert!(!allows(&["*.example.com"], "https://badexample.com/"));
        assert!(allows(&["example.com:443"], "https://example.com/"));
        assert!(!allows(&["example.com:443"], "http://example.com/"));
        assert!(allows(&["*"], "https://anything.example/"));
        assert!(allows(&["bücher.example"], "https://xn--bcher-kva.example/"));
    }

    #[test]
    fn addresses_must_be_listed_themselves() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://10.0.0.1/",
            "http://[::ffff:169.254.169.254]/",
        ] {
            assert!(!allows(&["*", "localhost"], url), "{url}");
        }
        assert!(allows(&["127.0.0.1:3000"], "http://127.0.0.1:3000/"));
        assert!(!allows(&["127.0.0.1:3000"], "http://127.0.0.1:3001/"));
        assert!(allows(&["[::1]:3000"], "http://[::1]:3000/"));
        assert!(allows(&["[::1]"], "http://[0:0::1]/"));
    }

    #[test]
    fn a_name_leads_as_far_as_its_entry_lets_it() {
        let list = list(&["*", "db.internal", "localhost"]);
        let check = |host: &str, address: &str| list.check_address(host, address.parse().unwrap()).is_ok();
        assert!(check("anything.example", "1.1.1.1"));
        assert!(!check("anything.example", "10.0.0.1"));
        assert!(check("db.internal", "10.0.0.1"));
        assert!(!check("db.internal", "127.0.0.1"), "a name may be pointed anywhere by whoever owns it");
        assert!(!check("db.internal", "169.254.169.254"));
        assert!(check("localhost", "127.0.0.1"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for entry in [
            "",
            "https://example.com",
            "example.com/",
            "example.com:",
            "example.com:0",
            "example.com:x",
            "a*.example.com",
            "*.",
            "a b",
        ] {
            let error = AllowList::parse(&[entry.to_owned()]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{entry:?}");
        }
    }
}

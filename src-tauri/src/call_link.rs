//! Call links: parsing `hutong://call/NAME?server=ADDRESS`, where the address may include the server's key.
//!
//! Links come from untrusted sources (web pages, mails, other programs), so the app acts on one only after the person
//! confirms.

use hutong_core::host_messages::AppProblem;
use hutong_protocol::Name;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::{
    address::ServerAddress,
    invitation::{self, Invitation},
    tls::KeyFingerprint,
};

/// The maximum length of a link, in bytes. The longest name and host, percent-encoded, are shorter.
const MAX_LENGTH: usize = 2_048;

/// A parsed call link: a user, the server, and optionally the server's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallLink {
    /// The name of the user to call.
    pub name: Name,
    /// The server where that user is.
    pub server: ServerAddress,
    /// The key that the server must present, if the link contains one.
    pub key: Option<KeyFingerprint>,
}

impl CallLink {
    /// Parses a link. Name and address follow the same rules as typed ones.
    ///
    /// # Errors
    ///
    /// [`AppProblem::LinkInvalid`] for anything but a call link; [`AppProblem::AddressNotSecure`] when its address is
    /// plain http and outside the own network, or plain http with a key.
    pub fn parse(link: &str) -> Result<Self, AppProblem> {
        if link.len() > MAX_LENGTH {
            return Err(AppProblem::LinkInvalid);
        }
        let url = Url::parse(link).map_err(|_| AppProblem::LinkInvalid)?;
        let is_bare = url.username().is_empty() && url.password().is_none() && url.port().is_none();
        let is_call = url.host_str().is_some_and(|host| host.eq_ignore_ascii_case("call"));
        if url.scheme() != "hutong" || !is_bare || !is_call {
            return Err(AppProblem::LinkInvalid);
        }
        // Some browsers and systems append a slash.
        let path = url.path().strip_prefix('/').unwrap_or_default();
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.contains('/') {
            return Err(AppProblem::LinkInvalid);
        }
        let name = percent_decode_str(path).decode_utf8().map_err(|_| AppProblem::LinkInvalid)?;
        let name = Name::new(&name).map_err(|_| AppProblem::LinkInvalid)?;
        let mut servers = url.query_pairs().filter(|(key, _)| key == "server").map(|(_, address)| address);
        let (Some(server), None) = (servers.next(), servers.next()) else {
            return Err(AppProblem::LinkInvalid);
        };
        let to_link_problem = |problem| match problem {
            AppProblem::AddressNotSecure => problem,
            _ => AppProblem::LinkInvalid,
        };
        let server = Invitation::parse(&server).map_err(to_link_problem)?;
        // If the address was not percent-encoded, its fragment is parsed as the link's.
        let fragment_key = invitation::key_in_fragment(url.fragment().unwrap_or_default()).map_err(to_link_problem)?;
        // Call links are copied on and come from anywhere, so they carry no access key.
        let access_key =
            invitation::access_key_in_fragment(url.fragment().unwrap_or_default()).map_err(to_link_problem)?;
        if server.access_key.is_some() || access_key.is_some() || (server.key.is_some() && fragment_key.is_some()) {
            return Err(AppProblem::LinkInvalid);
        }
        let server = Invitation::new(server.address, server.key.or(fragment_key)).map_err(to_link_problem)?;
        Ok(Self { name, server: server.address, key: server.key })
    }
}

#[cfg(test)]
mod tests {
    use AppProblem::{AddressNotSecure, LinkInvalid};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn links_are_parsed_or_rejected() {
        let long = format!("hutong://call/Ana?server=calls.example&{}", "x".repeat(MAX_LENGTH));
        type Expected<'a> = Result<(&'a str, &'a str), AppProblem>;
        let cases: [(&str, Expected); 31] = [
            ("hutong://call/Ana?server=calls.example", Ok(("Ana", "https://calls.example"))),
            ("HUTONG://CALL/Ana?server=calls.example", Ok(("Ana", "https://calls.example"))),
            ("hutong://call/Ana/?server=calls.example", Ok(("Ana", "https://calls.example"))),
            ("hutong://call/Ana?server=https%3A%2F%2Fcalls.example%2F", Ok(("Ana", "https://calls.example"))),
            ("hutong://call/Ana?server=https://calls.example/ws", Ok(("Ana", "https://calls.example"))),
            ("hutong://call/Ana?server=192.168.1.20", Ok(("Ana", "https://192.168.1.20:8017"))),
            ("hutong://call/Ana?server=http://192.168.1.20:9000", Ok(("Ana", "http://192.168.1.20:9000"))),
            ("hutong://call/%E5%B0%8F%E6%98%8E?server=calls.example", Ok(("小明", "https://calls.example"))),
            ("hutong://call/小明?server=calls.example", Ok(("小明", "https://calls.example"))),
            ("hutong://call/Ana%20B.?server=calls.example#more", Ok(("Ana B.", "https://calls.example"))),
            ("hutong://call/A%2FB?server=calls.example", Ok(("A/B", "https://calls.example"))),
            ("hutong://call/%3Cb%3E?server=calls.example", Ok(("<b>", "https://calls.example"))),
            ("hutong://call/Ana?from=mail&server=calls.example", Ok(("Ana", "https://calls.example"))),
            ("hutong://call/Ana", Err(LinkInvalid)),
            ("hutong://call/Ana?server=", Err(LinkInvalid)),
            ("hutong://call/Ana?server=a.example&server=b.example", Err(LinkInvalid)),
            ("hutong://call/Ana?server=ftp://calls.example", Err(LinkInvalid)),
            ("hutong://call/Ana?server=https://me:secret@calls.example", Err(LinkInvalid)),
            ("hutong://call/Ana?server=http://calls.example", Err(AddressNotSecure)),
            ("hutong://call/?server=calls.example", Err(LinkInvalid)),
            ("hutong://call?server=calls.example", Err(LinkInvalid)),
            ("hutong://call/%20?server=calls.example", Err(LinkInvalid)),
            ("hutong://call/%FF?server=calls.example", Err(LinkInvalid)),
            ("hutong://call/A%E2%80%AEna?server=calls.example", Err(LinkInvalid)),
            ("hutong://call/Ana/now?server=calls.example", Err(LinkInvalid)),
            ("hutong://answer/Ana?server=calls.example", Err(LinkInvalid)),
            ("hutong://me@call/Ana?server=calls.example", Err(LinkInvalid)),
            ("hutong://call:80/Ana?server=calls.example", Err(LinkInvalid)),
            ("hutong:call/Ana?server=calls.example", Err(LinkInvalid)),
            ("https://call/Ana?server=calls.example", Err(LinkInvalid)),
            (&long, Err(LinkInvalid)),
        ];
        for (link, expected) in cases {
            let parsed = CallLink::parse(link).map(|link| (link.name.to_string(), link.server.to_string()));
            assert_eq!(parsed, expected.map(|(name, server)| (name.to_owned(), server.to_owned())), "{link}");
        }
        assert_eq!(CallLink::parse(&format!("hutong://call/{}?server=a.example", "x".repeat(41))), Err(LinkInvalid));
    }

    #[test]
    fn the_servers_key_is_found_in_the_address_or_in_the_links_fragment() {
        const PIN: &str = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
        let key = |link: &str| CallLink::parse(&link.replace("PIN", PIN)).map(|link| link.key);
        let expected = Ok(Some(KeyFingerprint::of(b"")));
        assert_eq!(key("hutong://call/Ana?server=https%3A%2F%2F192.168.1.20%3A8017%2F%23key%3DPIN"), expected);
        assert_eq!(key("hutong://call/Ana?server=https://192.168.1.20:8017/#key=PIN"), expected);
        assert_eq!(key("hutong://call/Ana?server=192.168.1.20#key=PIN"), expected);
        assert_eq!(key("hutong://call/Ana?server=192.168.1.20#more"), Ok(None));
        assert_eq!(key("hutong://call/Ana?server=192.168.1.20#key=PI"), Err(LinkInvalid));
        assert_eq!(key("hutong://call/Ana?server=192.168.1.20%23key%3DPIN#key=PIN"), Err(LinkInvalid));
        assert_eq!(key("hutong://call/Ana?server=http://192.168.1.20#key=PIN"), Err(AddressNotSecure));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(link in "\\PC*", rest in "(hutong://call/)?\\PC{0,40}(\\?server=)?\\PC{0,40}") {
            let _parsed = (CallLink::parse(&link), CallLink::parse(&rest));
        }

        #[test]
        fn every_name_survives_a_round_trip_through_a_link(typed in "\\PC{1,20}") {
            let Ok(name) = Name::new(&typed) else { return Ok(()) };
            let encoded = percent_encoding::utf8_percent_encode(name.as_str(), percent_encoding::NON_ALPHANUMERIC);
            let link = CallLink::parse(&format!("hutong://call/{encoded}?server=https%3A%2F%2Fcalls.example"));
            // "." and ".." are path segments that URLs remove, percent-encoded too (WHATWG URL): such a name has no link.
            if name.as_str() == "." || name.as_str() == ".." {
                return Ok(());
            }
            prop_assert_eq!(link.map(|link| link.name), Ok(name));
        }
    }
}

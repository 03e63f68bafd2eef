//! Parts of session descriptions: ICE candidates and credentials, and codecs.

use webrtc::peer_connection::RTCSessionDescription;

use crate::frame::MediaType;

/// ICE user name fragment and password of one side (RFC 8445, section 2.3). New ones mark a new ICE generation. Without `Debug`:
/// the password is a secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct IceCredentials {
    pub ufrag: String,
    pub password: String,
}

/// The description with some of its candidates. `keep` gets each without the prefix `candidate:`.
pub(crate) fn retain_candidates<'a>(sdp: &'a str, mut keep: impl FnMut(&'a str) -> bool) -> String {
    sdp.split_inclusive('\n').filter(|line| candidate(line).is_none_or(&mut keep)).collect()
}

/// The description without candidates and without the mark of their end.
pub(crate) fn without_candidates(sdp: &str) -> String {
    let rest = retain_candidates(sdp, |_| false);
    rest.split_inclusive('\n').filter(|line| attribute(line) != Some("end-of-candidates")).collect()
}

/// The number of candidates that the WebRTC library finds in a description.
pub(crate) fn count_candidates(description: &RTCSessionDescription) -> usize {
    let Ok(parsed) = description.unmarshal() else { return 0 };
    let attributes = parsed.media_descriptions.iter().flat_map(|media| &media.attributes);
    attributes.filter(|attribute| attribute.key == "candidate").count()
}

/// The description without the attributes of sections that the other side rejects (port zero), except their IDs: they have no
/// meaning (RFC 3264, section 6). Browsers leave streams in them, for which the WebRTC library finds no codec and fails.
pub(crate) fn without_rejected_attributes(sdp: &str) -> String {
    let mut is_rejected = false;
    let mut is_kept = |line: &&str| {
        if let Some(section) = line.strip_prefix("m=") {
            is_rejected = section.split(' ').nth(1) == Some("0");
        }
        !is_rejected || attribute(line).is_none_or(|attribute| attribute.starts_with("mid:"))
    };
    sdp.split_inclusive('\n').filter(|line| is_kept(line)).collect()
}

/// Whether an offer has this side's codec for this kind of media, or no section for it at all (RFC 8866, section 6.6).
pub(crate) fn has_codec(offer: &RTCSessionDescription, kind: MediaType) -> bool {
    let (section, codec) = match kind {
        MediaType::Audio => ("audio", "opus"),
        MediaType::Video => ("video", "VP8"),
    };
    let Ok(parsed) = offer.unmarshal() else { return true };
    let mut sections = parsed.media_descriptions.iter().filter(|media| media.media_name.media == section).peekable();
    let maps_codec = |mapping: &str| {
        let encoding = mapping.split_once(' ').map_or("", |(_, encoding)| encoding);
        encoding.split('/').next().is_some_and(|name| name.eq_ignore_ascii_case(codec))
    };
    sections.peek().is_none()
        || sections.any(|media| {
            let mut attributes = media.attributes.iter();
            attributes.any(|attribute| attribute.key == "rtpmap" && attribute.value.as_deref().is_some_and(maps_codec))
        })
}

/// The ICE credentials that the WebRTC library takes from a description: those of the session, else of the first media section
/// that is not inactive, else of the first one. `None` if it would reject the description.
pub(crate) fn ice_credentials(description: &RTCSessionDescription) -> Option<IceCredentials> {
    let parsed = description.unmarshal().ok()?;
    let find = |key: &str| {
        let of_media = |is_inactive: bool| {
            let media = parsed.media_descriptions.iter();
            let mut media = media.filter(move |media| media.attribute("inactive").is_some() == is_inactive);
            media.find_map(|media| media.attribute(key).flatten().map(str::to_owned))
        };
        parsed.attribute(key).cloned().or_else(|| of_media(false)).or_else(|| of_media(true))
    };
    Some(IceCredentials { ufrag: find("ice-ufrag")?, password: find("ice-pwd")? })
}

/// The value of an attribute line (RFC 8866, section 5.13). Ignores white space where the WebRTC library does.
fn attribute(line: &str) -> Option<&str> {
    Some(line.trim_start_matches('\r').strip_prefix("a=")?.trim())
}

fn candidate(line: &str) -> Option<&str> {
    match attribute(line)? {
        // One without a value is none, but the library takes it for one.
        "candidate" => Some(""),
        attribute => attribute.strip_prefix("candidate:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n";

    fn parsed(sdp: &str) -> RTCSessionDescription {
        RTCSessionDescription::offer(sdp.to_owned()).unwrap()
    }

    #[test]
    fn rejected_sections_keep_their_ids_alone() {
        let sdp = |of_video: &str| {
            format!(
                "v=0\r\nm=audio 9 X 111\r\na=sendrecv\r\nm=video 0 X 0\r\nc=IN IP4 0.0.0.0\r\n{of_video}m=application 9 Y z\r\na=mid:2\r\na=setup:active\r\n"
            )
        };
        assert_eq!(
            without_rejected_attributes(&sdp("a=mid:1\r\na=sendrecv\r\na=ssrc:1 cname:x\r\n")),
            sdp("a=mid:1\r\n")
        );
        let accepted = sdp("a=mid:1\r\na=sendrecv\r\n").replace("m=video 0", "m=video 9");
        assert_eq!(without_rejected_attributes(&accepted), accepted);
    }

    #[test]
    fn only_candidates_are_removed_from_a_description() {
        let sdp = "v=0\r\na=candidate:1 1 udp 1 10.0.0.7 5000 typ host\r\na=mid:0\r\na=end-of-candidates\r\n";
        assert_eq!(without_candidates(sdp), "v=0\r\na=mid:0\r\n");
        assert_eq!(retain_candidates(sdp, |candidate| candidate == "1 1 udp 1 10.0.0.7 5000 typ host"), sdp);
        assert_eq!(retain_candidates(sdp, |_| false), "v=0\r\na=mid:0\r\na=end-of-candidates\r\n");
    }

    /// Forms of a candidate line that the library accepts.
    #[test]
    fn no_candidate_is_left_that_the_library_would_find() {
        let candidate = "1 1 udp 1 10.0.0.7 5000 typ host";
        for line in ["a=candidate:", "a= candidate:", "a=\tcandidate:", "\r\ra=candidate:", "\n\na=candidate:"] {
            for end in ["\r\n", "\n", " \r\n", "\r\r\n", ""] {
                let sdp = format!("{HEAD}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{line}{candidate}{end}");
                assert_eq!(count_candidates(&parsed(&sdp)), 1, "{sdp:?}");
                let mut found = Vec::new();
                let rest = retain_candidates(&sdp, |candidate| {
                    found.push(candidate);
                    false
                });
                assert_eq!(count_candidates(&parsed(&rest)), 0, "{sdp:?}");
                assert_eq!(found, [candidate], "{sdp:?}");
            }
        }
    }

    #[test]
    fn a_candidate_line_without_a_value_is_not_left_for_the_library() {
        for line in ["a=candidate\r\n", "a= candidate \r\n", "a=candidate"] {
            let sdp = format!("{HEAD}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{line}");
            assert_eq!(count_candidates(&parsed(&sdp)), 1, "{sdp:?}");
            assert_eq!(count_candidates(&parsed(&retain_candidates(&sdp, |_| false))), 0, "{sdp:?}");
        }
        assert!(retain_candidates("a=candidates\r\n", |_| false).contains("candidates"));
    }

    #[test]
    fn credentials_come_from_the_session_then_from_active_media() {
        let media = |name: &str, direction: &str| {
            format!("m=audio 9 RTP/AVP 0\r\na=ice-ufrag:{name}\r\na=ice-pwd:{name}{name}\r\na={direction}\r\n")
        };
        let (inactive, active) = (media("in", "inactive"), media("act", "sendrecv"));
        for (sdp, expected) in [
            (format!("{HEAD}a=ice-ufrag:ses\r\na=ice-pwd:sesses\r\n{active}"), Some(("ses", "sesses"))),
            (format!("{HEAD}{inactive}{active}"), Some(("act", "actact"))),
            (format!("{HEAD}{inactive}"), Some(("in", "inin"))),
            (format!("{HEAD}m=audio 9 RTP/AVP 0\r\na=ice-ufrag:a\r\n"), None),
        ] {
            let expected = expected
                .map(|(ufrag, password)| IceCredentials { ufrag: ufrag.to_owned(), password: password.to_owned() });
            assert!(ice_credentials(&parsed(&sdp)) == expected, "{sdp}");
        }
    }
}

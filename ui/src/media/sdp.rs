//! What the page reads in a session description.

/// Whether an answer rejects video, because the two sides have no codec in common: its port is zero (RFC 3264, section 6).
pub fn rejects_video(answer: &str) -> bool {
    let mut sections = answer.lines().filter_map(|line| line.strip_prefix("m=video ")).peekable();
    sections.peek().is_some() && sections.all(|section| section.split(' ').next() == Some("0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_rejects_video_by_a_port_of_zero() {
        let audio = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n";
        for (video, expected) in [
            ("m=video 0 UDP/TLS/RTP/SAVPF 0\r\n", true),
            ("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendrecv\r\n", false),
            ("", false),
            ("m=video 0 UDP/TLS/RTP/SAVPF 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n", false),
        ] {
            assert_eq!(rejects_video(&format!("{audio}{video}")), expected, "{video}");
        }
    }
}

//! What the desktop shows outside of the page, in the system's language: the page's own choice is the page's.

use hutong_protocol::MediaKind;

use super::closing::WayBack;

/// All that is said, in one language.
#[derive(Debug)]
pub struct Words {
    /// The app's name.
    pub hutong: &'static str,
    /// Tray: bring the window back.
    pub show: &'static str,
    /// Tray: end the app.
    pub quit: &'static str,
    /// Tray and notification, while it rings.
    pub answer: &'static str,
    /// Tray and notification, while it rings.
    pub decline: &'static str,
    /// Who calls. Shown as text: a notification's title holds no markup.
    pub calling: fn(&str) -> String,
    /// What is offered.
    pub offered: fn(MediaKind) -> &'static str,
    /// The tray's words for a call.
    pub in_call: fn(&str) -> String,
    /// The window was closed in a call.
    pub goes_on: &'static str,
    /// And where it is.
    pub back: fn(WayBack) -> &'static str,
}

impl Words {
    /// In the language of the person's system.
    #[must_use]
    pub fn of_this_system() -> &'static Self {
        Self::of(sys_locale::get_locales())
    }

    /// In the first language that there is, of a list of tags (BCP 47).
    fn of(tags: impl Iterator<Item = String>) -> &'static Self {
        for tag in tags {
            let primary = tag.split(['-', '_']).next().unwrap_or_default();
            if primary.eq_ignore_ascii_case("zh") {
                return &CHINESE;
            }
            if primary.eq_ignore_ascii_case("en") {
                return &ENGLISH;
            }
        }
        &ENGLISH
    }
}

static ENGLISH: Words = Words {
    hutong: "Hutong",
    show: "Show Hutong",
    quit: "Quit",
    answer: "Answer",
    decline: "Decline",
    calling: |name| format!("{name} is calling"),
    offered: |media| match media {
        MediaKind::Video => "Incoming video call",
        MediaKind::Voice => "Incoming voice call",
    },
    in_call: |name| format!("Hutong: in a call with {name}"),
    goes_on: "Your call goes on",
    back: |way| match way {
        WayBack::Tray => "The window is hidden. To see it again, choose “Show Hutong” at Hutong’s sign in the tray.",
        WayBack::StartAgain => "The window is hidden. To see it again, start Hutong once more.",
        WayBack::Windows => "The window is minimised. To end the call, hang up there.",
    },
};

static CHINESE: Words = Words {
    hutong: "互通",
    show: "显示互通",
    quit: "退出",
    answer: "接听",
    decline: "拒绝",
    calling: |name| format!("{name}正在呼叫你"),
    offered: |media| match media {
        MediaKind::Video => "视频来电",
        MediaKind::Voice => "语音来电",
    },
    in_call: |name| format!("互通：正在与{name}通话"),
    goes_on: "通话仍在继续",
    back: |way| match way {
        WayBack::Tray => "窗口已隐藏。要重新显示，请在托盘的互通图标上选择“显示互通”。",
        WayBack::StartAgain => "窗口已隐藏。再次启动互通即可重新显示。",
        WayBack::Windows => "窗口已最小化。要结束通话，请在窗口中挂断。",
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_first_language_that_there_is_wins() {
        let of = |tags: &[&str]| Words::of(tags.iter().map(|&tag| tag.to_owned())).hutong;
        assert_eq!(of(&["zh-CN", "en-US"]), "互通");
        assert_eq!(of(&["fr", "zh_TW"]), "互通");
        assert_eq!(of(&["en-GB", "zh"]), "Hutong");
        assert_eq!(of(&["C"]), "Hutong");
        assert_eq!(of(&[]), "Hutong");
    }
}

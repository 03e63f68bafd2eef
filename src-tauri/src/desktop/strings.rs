//! The texts of tray and notifications, in the system's language: the language chosen in the page counts in the page alone.

use hutong_protocol::MediaKind;

use super::closing::WindowRestore;

/// All texts in one language.
#[derive(Debug)]
pub struct Strings {
    /// The app's name.
    pub app_name: &'static str,
    /// Tray: bring the window back.
    pub show: &'static str,
    /// Tray: end the app.
    pub quit: &'static str,
    /// Tray and notification, while it rings.
    pub answer: &'static str,
    /// Tray and notification, while it rings.
    pub decline: &'static str,
    /// Tray and notification: this person calls. Shown as text: a notification's title holds no markup.
    pub calling: fn(&str) -> String,
    /// Notification: the kind of the incoming call.
    pub incoming: fn(MediaKind) -> &'static str,
    /// Tray: in a call with this person.
    pub in_call: fn(&str) -> String,
    /// Notification: the window was closed in a call, which continues.
    pub call_continues: &'static str,
    /// Notification: how to restore the window.
    pub restore: fn(WindowRestore) -> &'static str,
}

impl Strings {
    /// The texts in the system's language.
    #[must_use]
    pub fn for_system() -> &'static Self {
        Self::of(sys_locale::get_locales())
    }

    /// The texts in the first language of these tags (BCP 47) that there is.
    #[must_use]
    pub fn of(tags: impl Iterator<Item = String>) -> &'static Self {
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

static ENGLISH: Strings = Strings {
    app_name: "Hutong",
    show: "Show Hutong",
    quit: "Quit",
    answer: "Answer",
    decline: "Decline",
    calling: |name| format!("{name} is calling"),
    incoming: |media| match media {
        MediaKind::Video => "Incoming video call",
        MediaKind::Voice => "Incoming voice call",
    },
    in_call: |name| format!("Hutong: in a call with {name}"),
    call_continues: "Your call goes on",
    restore: |restore| match restore {
        WindowRestore::Tray => {
            "The window is hidden. To see it again, choose “Show Hutong” at Hutong’s sign in the tray."
        }
        WindowRestore::SecondStart => "The window is hidden. To see it again, start Hutong once more.",
        WindowRestore::WindowList => "The window is minimised. To end the call, hang up there.",
    },
};

static CHINESE: Strings = Strings {
    app_name: "互通",
    show: "显示互通",
    quit: "退出",
    answer: "接听",
    decline: "拒绝",
    calling: |name| format!("{name}正在呼叫你"),
    incoming: |media| match media {
        MediaKind::Video => "视频来电",
        MediaKind::Voice => "语音来电",
    },
    in_call: |name| format!("互通：正在与{name}通话"),
    call_continues: "通话仍在继续",
    restore: |restore| match restore {
        WindowRestore::Tray => "窗口已隐藏。要重新显示，请在托盘的互通图标上选择“显示互通”。",
        WindowRestore::SecondStart => "窗口已隐藏。再次启动互通即可重新显示。",
        WindowRestore::WindowList => "窗口已最小化。要结束通话，请在窗口中挂断。",
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_first_language_that_there_is_wins() {
        let of = |tags: &[&str]| Strings::of(tags.iter().map(|&tag| tag.to_owned())).app_name;
        assert_eq!(of(&["zh-CN", "en-US"]), "互通");
        assert_eq!(of(&["fr", "zh_TW"]), "互通");
        assert_eq!(of(&["en-GB", "zh"]), "Hutong");
        assert_eq!(of(&["C"]), "Hutong");
        assert_eq!(of(&[]), "Hutong");
    }
}

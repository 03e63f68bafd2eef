//! Localized strings of tray and notifications, in the system's language. The language chosen in the page applies to the
//! page only.

use hutong_protocol::MediaKind;

use super::window_close::WindowRestore;

/// All strings in one language.
#[derive(Debug)]
pub struct Strings {
    /// The app's name.
    pub app_name: &'static str,
    /// Tray menu: show the window.
    pub show: &'static str,
    /// Tray menu: quit the app.
    pub quit: &'static str,
    /// Tray menu and notification button: answer the call.
    pub answer: &'static str,
    /// Tray menu and notification button: decline the call.
    pub decline: &'static str,
    /// Tray tooltip and notification title: this user is calling. Shown as plain text, so a name cannot inject markup.
    pub calling: fn(&str) -> String,
    /// Notification body: the kind of the incoming call.
    pub incoming: fn(MediaKind) -> &'static str,
    /// Tray tooltip: in a call with this user.
    pub in_call: fn(&str) -> String,
    /// Notification title: the call continues though the window was closed.
    pub call_continues: &'static str,
    /// Notification body: how to restore the window.
    pub restore: fn(WindowRestore) -> &'static str,
}

impl Strings {
    /// The strings in the system's language.
    #[must_use]
    pub fn for_system() -> &'static Self {
        Self::of(sys_locale::get_locales())
    }

    /// The strings in the first supported language of these BCP 47 tags; English when none is supported.
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
    call_continues: "Your call continues",
    restore: |restore| match restore {
        WindowRestore::Tray => {
            "The window is hidden. To get it back, open the menu of the Hutong icon in the tray and choose “Show Hutong”."
        }
        WindowRestore::SecondStart => "The window is hidden. To get it back, start Hutong again.",
        WindowRestore::WindowList => "The window is minimised. To end the call, open the window and hang up.",
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
        WindowRestore::Tray => "窗口已隐藏。要重新显示，请打开托盘中互通图标的菜单，选择“显示互通”。",
        WindowRestore::SecondStart => "窗口已隐藏。要重新显示，请再次启动互通。",
        WindowRestore::WindowList => "窗口已最小化。要结束通话，请打开窗口并挂断。",
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_supported_language_is_used() {
        let of = |tags: &[&str]| Strings::of(tags.iter().map(|&tag| tag.to_owned())).app_name;
        assert_eq!(of(&["zh-CN", "en-US"]), "互通");
        assert_eq!(of(&["fr", "zh_TW"]), "互通");
        assert_eq!(of(&["en-GB", "zh"]), "Hutong");
        assert_eq!(of(&["C"]), "Hutong");
        assert_eq!(of(&[]), "Hutong");
    }
}

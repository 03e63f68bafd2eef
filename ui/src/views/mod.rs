//! The views: components and HTML for everything on the screen.

mod app_server;
mod avatar;
mod call_details;
mod call_link;
mod call_parts;
mod call_screen;
mod call_timer;
mod connection_banner;
mod controls;
mod device_settings;
mod icons;
mod insecure_warning;
mod invite;
mod language_switch;
mod login;
mod main_page;
mod media_player;
mod notice;
mod other_tab;
mod own_link;
mod panels;
mod playback;
mod qr;
mod recent_calls;
mod remembered;
mod ring_hint;
mod roster;

pub use call_link::{CallLinkDialog, CallLinkDialogProps, LinkChoice, LinkOpened};
pub use call_screen::CallScreen;
pub use connection_banner::{ConnectionBanner, UpdateBanner};
pub use login::LoginPage;
pub use main_page::MainPage;
pub use notice::NoticeBar;
pub use other_tab::OtherTabPage;

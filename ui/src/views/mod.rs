//! What is on the screen.

mod app_server;
mod avatar;
mod banner;
mod call;
mod call_parts;
mod caution;
mod controls;
mod details;
mod icons;
mod invite;
mod language;
mod login;
mod main_page;
mod notice;
mod offer;
mod panels;
mod playback;
mod qr;
mod roster;
mod settings;
mod stream;
mod timer;

pub use banner::LinkBanner;
pub use call::CallScreen;
pub use login::Login;
pub use main_page::Main;
pub use notice::NoticeBar;
pub use offer::CallOffer;

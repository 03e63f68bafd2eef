//! Keeps window, tray and notifications in step with the calls. One thread does it, one thing after the other.

use std::path::Path;

use hutong_core::{Command, app::FromUi};
use tauri::{AppHandle, Manager, WebviewWindow, WindowEvent};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    closing::{Closing, WayBack},
    ring::Notifier,
    surroundings,
    tray::Tray,
    words::Words,
};
use crate::{
    controller::Control,
    standing::{RingId, Standing},
};

/// What a person did and this has not got to yet; more is passed over.
const WAITING: usize = 32;

/// What happens around the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The person closed the window in a call.
    Closed,
    /// The window got the focus, or lost it.
    Focus,
    /// The person wants the window.
    Show,
    /// The person takes the call that rings; `None` says whichever it is.
    Answer(Option<RingId>),
    /// The person declines it.
    Decline(Option<RingId>),
    /// The person wants the app to end.
    Quit,
}

/// Where it is told what happens.
#[derive(Clone, Debug)]
pub struct Happenings(mpsc::Sender<Happening>);

impl Happenings {
    /// It happened.
    pub fn put(&self, happening: Happening) {
        if self.0.try_send(happening).is_err() {
            tracing::warn!(?happening, "too much happens at once");
        }
    }
}

/// Begins, for this window. `tray` is a directory for the tray's own files.
pub fn start(window: &WebviewWindow, control: &Control, tray: &Path) {
    let (sender, inbox) = mpsc::channel(WAITING);
    let happenings = Happenings(sender);
    let standing = control.standing();
    window.on_window_event({
        let (happenings, standing) = (happenings.clone(), standing.clone());
        move |event| match event {
            WindowEvent::CloseRequested { api, .. } => {
                let closing = Closing::while_standing(&standing.borrow());
                if closing == Closing::KeepsCall {
                    api.prevent_close();
                    happenings.put(Happening::Closed);
                }
            }
            WindowEvent::Focused(_) => happenings.put(Happening::Focus),
            _ => {}
        }
    });
    let words = Words::of_this_system();
    let app = window.app_handle().clone();
    let (window, control, tray) = (window.clone(), control.clone(), tray.to_owned());
    let keeping = async move {
        let notifier = Notifier::start(&app, words, happenings.clone());
        let tray = make_tray(&app, &tray, words, happenings).await;
        let ring = Ring::Silent;
        Keeper { app, window, control, notifier, tray, ring, away: None }.run(standing, inbox).await;
    };
    // What is asked of the window and the tray waits for the main thread. That waits, when the app ends, for tasks of the runtime: none of
    // its threads may be the one that waits here.
    let started = std::thread::Builder::new().name("keeper".into()).spawn(|| tauri::async_runtime::block_on(keeping));
    if let Err(error) = started {
        tracing::error!(%error, "there is no tray, and no notification");
    }
}

/// What is told of a call that rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ring {
    /// It does not ring.
    Silent,
    /// It rings, and the window shows it.
    Rings(RingId),
    /// It rings, and a notification says so.
    Told(RingId),
}

impl Ring {
    fn id(self) -> Option<RingId> {
        match self {
            Self::Silent => None,
            Self::Rings(id) | Self::Told(id) => Some(id),
        }
    }
}

struct Keeper {
    app: AppHandle,
    window: WebviewWindow,
    control: Control,
    notifier: Notifier,
    tray: Option<Tray>,
    ring: Ring,
    /// How the person comes back to the window that they closed.
    away: Option<WayBack>,
}

impl Keeper {
    async fn run(mut self, mut standing: watch::Receiver<Standing>, mut inbox: mpsc::Receiver<Happening>) {
        loop {
            tokio::select! {
                changed = standing.changed() => match changed {
                    Ok(()) => {
                        let now = standing.borrow_and_update().clone();
                        self.stands(&now);
                    }
                    // The client is gone: the app ends.
                    Err(_) => return,
                },
                happening = inbox.recv() => match happening {
                    Some(happening) => {
                        let now = standing.borrow().clone();
                        self.happens(happening, &now).await;
                    }
                    None => return,
                }
            }
        }
    }

    fn stands(&mut self, now: &Standing) {
        if let Some(tray) = &self.tray {
            tray.show(now);
        }
        let before = self.ring;
        self.ring = match now {
            Standing::Ringing { ring, .. } if before.id() == Some(*ring) => before,
            Standing::Ringing { ring, .. } => Ring::Rings(*ring),
            Standing::Idle | Standing::InCall { .. } => Ring::Silent,
        };
        if let Ring::Told(id) = before
            && self.ring != before
        {
            self.notifier.rings_no_more(id);
        }
        self.tell(now);
        // Where nothing else leads back to it.
        if *now == Standing::Idle && self.away == Some(WayBack::StartAgain) {
            self.show();
        }
    }

    /// Tells of a call that rings, once, when the person does not see it in the window.
    fn tell(&mut self, now: &Standing) {
        if let (Ring::Rings(id), Standing::Ringing { name, media, .. }) = (self.ring, now)
            && !self.is_seen()
        {
            self.ring = Ring::Told(id);
            self.notifier.rings(id, name, *media);
        }
    }

    async fn happens(&mut self, happening: Happening, now: &Standing) {
        match happening {
            Happening::Closed => self.keep_call().await,
            Happening::Focus => {
                if self.window.is_visible().unwrap_or(false) && !self.window.is_minimized().unwrap_or(false) {
                    self.away = None;
                }
                self.tell(now);
            }
            Happening::Show => self.show(),
            Happening::Answer(ring) => {
                if let Standing::Ringing { ring: rings, media, .. } = now
                    && ring.is_none_or(|meant| meant == *rings)
                {
                    // A call that nobody sees is none.
                    self.show();
                    self.control.hear(FromUi::Command(Command::Accept { media: *media })).await;
                }
            }
            Happening::Decline(ring) => {
                if let Standing::Ringing { ring: rings, .. } = now
                    && ring.is_none_or(|meant| meant == *rings)
                {
                    self.control.hear(FromUi::Command(Command::Decline)).await;
                }
            }
            Happening::Quit => self.app.exit(0),
        }
    }

    async fn keep_call(&mut self) {
        let tray = self.tray.is_some() && surroundings::shows_trays().await;
        let way = WayBack::best(tray, surroundings::is_found().await);
        // It may have changed while others were asked.
        let now = self.control.standing().borrow().clone();
        self.stands(&now);
        let gone = match way {
            WayBack::Tray | WayBack::StartAgain => self.window.hide(),
            WayBack::Windows => self.window.minimize(),
        };
        if let Err(error) = gone {
            tracing::warn!(%error, "the window stays");
            return;
        }
        self.away = Some(way);
        match &now {
            Standing::InCall { .. } => self.notifier.goes_on(way),
            // The window no longer tells of it, and no event need come of that where it had no focus.
            Standing::Ringing { .. } => {
                if let (Ring::Rings(id), Standing::Ringing { name, media, .. }) = (self.ring, &now) {
                    self.ring = Ring::Told(id);
                    self.notifier.rings(id, name, *media);
                }
            }
            // The call ended meanwhile, and the window with it: to close it was what the person wanted.
            Standing::Idle => self.app.exit(0),
        }
    }

    fn show(&mut self) {
        self.away = None;
        super::show(&self.app);
    }

    fn is_seen(&self) -> bool {
        self.window.is_visible().unwrap_or(false) && self.window.is_focused().unwrap_or(false)
    }
}

async fn make_tray(app: &AppHandle, directory: &Path, words: &'static Words, happenings: Happenings) -> Option<Tray> {
    // Without a session bus the library would only complain.
    if !surroundings::is_found().await {
        return None;
    }
    let (done, made) = oneshot::channel();
    let (maker, directory) = (app.clone(), directory.to_owned());
    let asked = app.run_on_main_thread(move || {
        let made = Tray::make(&maker, &directory, words, happenings);
        // An error says that the app ends meanwhile.
        drop(done.send(made.inspect_err(|error| tracing::info!(%error, "there is no tray")).ok()));
    });
    asked.ok()?;
    made.await.ok().flatten()
}

//! The protocol's numbers: deadlines, sizes and rates, each with its reason.

use std::time::Duration;

/// How long a call rings before it ends as unanswered. About eight rings, as telephones do.
pub const RING: Duration = Duration::from_secs(45);

/// From accepting to CONFIRM. Long, because the browser's permission dialogs fall into it.
pub const CONFIRM: Duration = Duration::from_secs(30);

/// From CONFIRM to CALLING. Nobody is asked anything here: only the answer is made.
pub const CALLING: Duration = Duration::from_secs(15);

/// From CALLING to media flowing, kept by the clients, who alone can see it; then the call has failed.
pub const MEDIA: Duration = Duration::from_secs(30);

/// How long `ending` lasts at most, however long a client takes to let go of its devices.
pub const ENDING: Duration = Duration::from_secs(2);

/// How long a call whose member lost its WebSocket can be claimed again.
pub const CLAIM: Duration = Duration::from_secs(30);

/// How long a name is kept for the owner of a lost WebSocket.
pub const NAME_HELD: Duration = Duration::from_secs(30);

/// How long a new WebSocket may take to say hello.
pub const HELLO: Duration = Duration::from_secs(10);

/// How long changes of presence are gathered before they are told, so that a burst is encoded once for all. Shorter than
/// people notice.
pub const PRESENCE_GATHER: Duration = Duration::from_millis(40);

/// How often the server pings a silent WebSocket. Below the 30 to 60 s after which proxies and home routers drop one.
pub const PING_EVERY: Duration = Duration::from_secs(20);

/// How long a WebSocket may stay silent, pongs included, before it counts as lost: [`PING_EVERY`], and time for an answer.
pub const SILENCE: Duration = Duration::from_secs(45);

/// The longest name, in Unicode scalar values after normalization.
pub const NAME_CHARS: usize = 40;

/// The longest secret, in bytes of UTF-8. More than any passphrase, and little to hash.
pub const SECRET_BYTES: usize = 1024;

/// The largest message in bytes, either way but for the server's rosters. A session description with many candidates and
/// codecs is 10 to 20 KiB.
pub const MESSAGE_BYTES: usize = 64 * 1024;

/// Messages a second that one connection may send for ever.
pub const MESSAGES_PER_SECOND: u32 = 50;

/// Messages that one connection may send at once: the candidates of a machine with many interfaces come in a burst.
pub const MESSAGE_BURST: u32 = 200;

/// Messages waiting for one slow reader before it is sent a fresh snapshot instead of what it missed.
pub const OUTGOING_QUEUE: usize = 256;

/// Candidates that a client holds back until the remote description is set.
pub const CANDIDATES_HELD: usize = 256;

/// Users online up to which a server shows everybody to everybody, unless it is told otherwise.
pub const WHOLE_ROSTER: usize = 1_000;

/// Names that one client can watch: more favourites than a person looks after, and little for a server to keep.
pub const WATCHED_NAMES: usize = 64;

/// Users that a search finds at most: more than a person reads through before typing another letter.
pub const FOUND: usize = 50;

/// How often a `watch` is answered. One that comes sooner waits until then, and a newer one takes its place, so that a server
/// searches no more often than a person can read.
pub const WATCH_EVERY: Duration = Duration::from_millis(200);

/// How often the number of users online is told where a part of them is shown.
pub const TOTAL_EVERY: Duration = Duration::from_secs(5);

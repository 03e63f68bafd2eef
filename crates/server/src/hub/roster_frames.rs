//! Encoder of welcome, roster and presence frames from users that are encoded once for all recipients.

use hutong_protocol::{IceServer, Limits, ServerMessage, SessionTicket, Token, User};

use crate::{
    outbox::Frame,
    registry::{Registry, RosterContent, encode_user},
};

/// Approximate size of a user as JSON, in bytes, to reserve memory.
const USER_BYTES: usize = 80;

/// The welcome frame for a user who has logged in.
pub fn welcome(
    registry: &Registry,
    me: User,
    ticket: SessionTicket,
    ice_servers: Vec<IceServer>,
    roster: &RosterContent,
) -> Option<Frame> {
    let (token, limits) = (me.token, Limits::default());
    with_users(
        registry,
        &ServerMessage::Welcome { me, ticket, ice_servers, limits, users: vec![], total: None },
        token,
        roster,
    )
}

/// A roster frame for this user.
pub fn roster(registry: &Registry, me: Token, roster: &RosterContent) -> Option<Frame> {
    with_users(registry, &ServerMessage::Roster { users: vec![], total: None }, me, roster)
}

/// A presence frame that contains only the number of users online.
pub fn total(total: u32) -> Option<Frame> {
    Frame::text(&ServerMessage::Presence { changes: vec![], total: Some(total) })
}

/// Encodes a message whose JSON ends with an empty `users` array, with the roster in that array.
fn with_users(registry: &Registry, empty: &ServerMessage, me: Token, roster: &RosterContent) -> Option<Frame> {
    let head = head(empty)?;
    let room = match roster {
        RosterContent::Whole => registry.whole_roster_bytes(),
        RosterContent::Partial { users, .. } => users.len() * USER_BYTES,
    };
    Some(Frame::write(head.len() + room + USER_BYTES, |text| {
        text.extend_from_slice(&head);
        let total = match roster {
            RosterContent::Whole => {
                registry.write_whole_roster(me, text);
                None
            }
            RosterContent::Partial { users, total } => {
                write_all(users, text);
                Some(total)
            }
        };
        text.push(b']');
        if let Some(total) = total {
            text.extend_from_slice(format!(",\"total\":{total}").as_bytes());
        }
        text.push(b'}');
    }))
}

/// The JSON of a message that ends with an empty array, cut off inside that array.
fn head(empty: &ServerMessage) -> Option<Vec<u8>> {
    let mut head = serde_json::to_vec(empty).ok()?;
    let cut = head.len().checked_sub(b"]}".len())?;
    debug_assert!(head.ends_with(b"[]}"), "{empty:?}");
    head.truncate(cut);
    Some(head)
}

fn write_all(users: &[User], text: &mut Vec<u8>) {
    for (index, user) in users.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        encode_user(user, text);
    }
}

/// Presence changes, each encoded once, from which a frame is assembled for each recipient.
pub struct PresenceChanges {
    head: Vec<u8>,
    text: Vec<u8>,
    /// Where each change ends in `text`. They are separated by commas.
    ends: Vec<usize>,
}

impl PresenceChanges {
    pub fn encode(changes: &[User]) -> Option<Self> {
        let head = head(&ServerMessage::Presence { changes: vec![], total: None })?;
        let mut text = Vec::with_capacity(changes.len() * USER_BYTES);
        let mut ends = Vec::with_capacity(changes.len());
        for user in changes {
            if !text.is_empty() {
                text.push(b',');
            }
            encode_user(user, &mut text);
            ends.push(text.len());
        }
        Some(Self { head, text, ends })
    }

    /// A frame with all changes.
    pub fn all(&self) -> Frame {
        self.frame(self.text.len(), |text| text.extend_from_slice(&self.text))
    }

    /// A frame with the changes at these indices.
    pub fn subset(&self, indices: &[usize]) -> Frame {
        self.frame(indices.len() * USER_BYTES, |text| {
            for (number, index) in indices.iter().enumerate() {
                if number > 0 {
                    text.push(b',');
                }
                text.extend_from_slice(self.change(*index));
            }
        })
    }

    fn frame(&self, room: usize, write: impl FnOnce(&mut Vec<u8>)) -> Frame {
        Frame::write(self.head.len() + room + b"]}".len(), |text| {
            text.extend_from_slice(&self.head);
            write(text);
            text.extend_from_slice(b"]}");
        })
    }

    fn change(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| end + 1);
        let end = self.ends.get(index).copied().unwrap_or(start);
        self.text.get(start..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use hutong_protocol::{Name, UserState, decode_server};

    use super::*;

    fn user(token: u64, name: &str) -> User {
        User { token: Token(token), name: Name::new(name).unwrap(), state: UserState::InCall }
    }

    fn read(frame: Frame) -> ServerMessage {
        let bytes = frame.into_bytes();
        let start = bytes.iter().position(|byte| *byte == b'{').unwrap();
        decode_server(std::str::from_utf8(&bytes[start..]).unwrap()).unwrap()
    }

    #[test]
    fn assembled_frames_equal_frames_encoded_for_each_recipient() {
        let users = [user(1, "Ana"), user(22, "小\"明"), user(333, "C,]}")];
        let changes = PresenceChanges::encode(&users).unwrap();
        let presence = |changes: &[User]| ServerMessage::Presence { changes: changes.to_vec(), total: None };
        assert_eq!(read(changes.all()), presence(&users));
        for indices in [&[][..], &[0], &[1], &[2], &[0, 2], &[0, 1, 2]] {
            let subset: Vec<_> = indices.iter().map(|index| users[*index].clone()).collect();
            assert_eq!(read(changes.subset(indices)), presence(&subset));
        }
        assert_eq!(read(total(7).unwrap()), ServerMessage::Presence { changes: vec![], total: Some(7) });
    }
}

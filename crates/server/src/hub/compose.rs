//! Rosters and presence as frames, put together from users that are encoded once.

use hutong_protocol::{Limits, ServerMessage, Ticket, Token, User};

use crate::{
    outbox::Frame,
    registry::{List, Registry, encode},
};

/// A user as JSON takes about this many bytes.
const USER_BYTES: usize = 80;

/// The welcome.
pub fn welcome(registry: &Registry, me: User, ticket: Ticket, list: &List) -> Option<Frame> {
    let token = me.token;
    let (ice_servers, limits) = (registry.ice_servers().to_vec(), Limits::default());
    with_list(
        registry,
        &ServerMessage::Welcome { me, ticket, ice_servers, limits, users: vec![], total: None },
        token,
        list,
    )
}

/// A roster for the user of this token.
pub fn roster(registry: &Registry, me: Token, list: &List) -> Option<Frame> {
    with_list(registry, &ServerMessage::Roster { users: vec![], total: None }, me, list)
}

/// The number of users online, for those who cannot see it.
pub fn total(total: u32) -> Option<Frame> {
    Frame::text(&ServerMessage::Presence { changes: vec![], total: Some(total) })
}

/// Puts a list into a message that ends with an empty one.
fn with_list(registry: &Registry, empty: &ServerMessage, me: Token, list: &List) -> Option<Frame> {
    let head = head(empty)?;
    let room = match list {
        List::Whole => registry.everybody_bytes(),
        List::Part { users, .. } => users.len() * USER_BYTES,
    };
    Some(Frame::of(head.len() + room + USER_BYTES, |text| {
        text.extend_from_slice(&head);
        let total = match list {
            List::Whole => {
                registry.write_everybody(me, text);
                None
            }
            List::Part { users, total } => {
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

/// A message that ends with an empty list, up to the inside of that.
fn head(empty: &ServerMessage) -> Option<Vec<u8>> {
    let mut head = serde_json::to_vec(empty).ok()?;
    let cut = head.len().checked_sub(b"]}".len())?;
    debug_assert!(head.ends_with(b"[]}"), "{empty:?}");
    head.truncate(cut);
    Some(head)
}

fn write_all(users: &[User], text: &mut Vec<u8>) {
    for (place, user) in users.iter().enumerate() {
        if place > 0 {
            text.push(b',');
        }
        encode(user, text);
    }
}

/// Changes of presence, each encoded once, to be put together for each reader.
pub struct Changes {
    head: Vec<u8>,
    text: Vec<u8>,
    /// Where each change ends in `text`. Between two is a comma.
    ends: Vec<usize>,
}

impl Changes {
    pub fn of(changes: &[User]) -> Option<Self> {
        let head = head(&ServerMessage::Presence { changes: vec![], total: None })?;
        let mut text = Vec::with_capacity(changes.len() * USER_BYTES);
        let mut ends = Vec::with_capacity(changes.len());
        for user in changes {
            if !text.is_empty() {
                text.push(b',');
            }
            encode(user, &mut text);
            ends.push(text.len());
        }
        Some(Self { head, text, ends })
    }

    /// All of them.
    pub fn whole(&self) -> Frame {
        self.frame(self.text.len(), |text| text.extend_from_slice(&self.text))
    }

    /// Some of them, by their places.
    pub fn some(&self, places: &[usize]) -> Frame {
        self.frame(places.len() * USER_BYTES, |text| {
            for (number, place) in places.iter().enumerate() {
                if number > 0 {
                    text.push(b',');
                }
                text.extend_from_slice(self.change(*place));
            }
        })
    }

    fn frame(&self, room: usize, write: impl FnOnce(&mut Vec<u8>)) -> Frame {
        Frame::of(self.head.len() + room + b"]}".len(), |text| {
            text.extend_from_slice(&self.head);
            write(text);
            text.extend_from_slice(b"]}");
        })
    }

    fn change(&self, place: usize) -> &[u8] {
        let start = place.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| end + 1);
        let end = self.ends.get(place).copied().unwrap_or(start);
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
    fn changes_are_put_together_as_if_they_were_encoded_for_each_reader() {
        let users = [user(1, "Ana"), user(22, "小\"明"), user(333, "C,]}")];
        let changes = Changes::of(&users).unwrap();
        let presence = |changes: &[User]| ServerMessage::Presence { changes: changes.to_vec(), total: None };
        assert_eq!(read(changes.whole()), presence(&users));
        for places in [&[][..], &[0], &[1], &[2], &[0, 2], &[0, 1, 2]] {
            let some: Vec<_> = places.iter().map(|place| users[*place].clone()).collect();
            assert_eq!(read(changes.some(places)), presence(&some));
        }
        assert_eq!(read(total(7).unwrap()), ServerMessage::Presence { changes: vec![], total: Some(7) });
    }
}

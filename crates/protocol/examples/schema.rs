//! Prints the JSON Schema of all messages: `docs/protocol.schema.json`.

fn main() {
    println!("{:#}", hutong_protocol::schema::schema());
}

//! Prints the JSON Schema of all messages, the content of `docs/protocol.schema.json`.

fn main() {
    println!("{:#}", hutong_protocol::schema::schema());
}

// PeerJS's server with its defaults, but without the limit of 5,000 clients and without requiring their heartbeats.

import { PeerServer } from "peer";

const [host, port] = process.argv[2].split(":");
PeerServer({ host, port: Number(port), path: "/", concurrent_limit: 1_000_000, alive_timeout: 24 * 3600 * 1000 });

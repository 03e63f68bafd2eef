//! Tests inside network namespaces.

/// Runs an ignored test, by its path, in a network namespace with the address 10.99.0.1 and a default route.
pub fn run(test: &str) {
    let network = "ip link set lo up && ip link add d0 type veth peer name d1 && ip link set d1 up && ip link set d0 up multicast on \
                   && ip addr add 10.99.0.1/24 dev d0 && ip route add default dev d0 && exec \"$0\" \"$@\"";
    let output = std::process::Command::new("unshare")
        .args(["--net", "--map-root-user", "sh", "-c", network])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

//! How people reach the server: behind reverse proxies, which are configured by the examples in docs/DEPLOY.md, at any port
//! and under a path; and at an IPv6 address.

use hutong_e2e::{
    AppOptions, Result, TestEnv, TestResult,
    call_steps::{CallKind, ring},
    ensure,
    page::UI_TIMEOUT,
    reverse_proxy::{ProxyFolder, ProxyProgram, ReverseProxy},
    scenario,
};

/// Logs in through each proxy, at `/` and under `/hutong/`, and checks that the roster arrives.
async fn log_in_through(env: &mut TestEnv, programs: &[ProxyProgram]) -> Result<()> {
    let server = env.start_server_with("127.0.0.1:0", &["--trusted-proxy", "127.0.0.1"]).await?;
    env.log_in("Bo", &server).await?;
    let page = env.open_page("Ana", &server.url()).await?;
    for &program in programs {
        for folder in [ProxyFolder::Root, ProxyFolder::Hutong] {
            let proxy = ReverseProxy::start(program, server.address(), folder, str::to_owned).await?;
            page.open(&proxy.url()).await?;
            page.log_in(&format!("{program:?} {folder:?}")).await?;
            page.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
            let invitation = r#"const it = one("invite-address"); return it && (it.value || it.innerText).trim()"#;
            let invitation = page.wait_for_value("the address to invite others", UI_TIMEOUT, invitation).await?;
            let invitation = invitation.as_str().unwrap_or_default().trim_end_matches('/');
            ensure!(proxy.url().trim_end_matches('/') == invitation, "{program:?} {folder:?}: invites to {invitation}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn people_log_in_through_nginx_and_haproxy_at_any_port_and_path() -> TestResult {
    scenario("proxies", async |env| log_in_through(env, &[ProxyProgram::Nginx, ProxyProgram::HaProxy]).await).await
}

#[tokio::test]
#[ignore = "more proxies"]
async fn people_log_in_through_caddy_and_apache_at_any_port_and_path() -> TestResult {
    scenario("proxies_more", async |env| log_in_through(env, &[ProxyProgram::Caddy, ProxyProgram::Apache]).await).await
}

#[tokio::test]
async fn a_proxy_that_hides_the_requested_host_is_reported_to_the_person_and_in_the_log() -> TestResult {
    scenario("proxy_hides_host", async |env| {
        let server = env.start_server().await?;
        // nginx's `$host` has no port, so it differs from the page's origin on any port but the scheme's own.
        let without_port = |example: &str| example.replace("Host $http_host", "Host $host");
        let proxy =
            ReverseProxy::start(ProxyProgram::Nginx, server.address(), ProxyFolder::Root, without_port).await?;
        let page = env.open_page("Ana", &proxy.url()).await?;
        page.submit_login("Ana").await?;
        page.wait_until(
            "the reason that the server refuses the connection",
            UI_TIMEOUT,
            r#"const it = one("login-problem"); return it && it.dataset.code === "socket_refused" && it.innerText.trim()"#,
        )
        .await?;
        let origin = proxy.url().trim_end_matches('/').to_owned();
        let line = server.log().text();
        ensure!(line.contains(&origin) && line.contains("expected_host"), "{line}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn people_log_in_at_an_ipv6_address_in_a_browser_and_in_the_app() -> TestResult {
    scenario("ipv6", async |env| {
        let server = env.start_server_with("[::1]:0", &[]).await?;
        ensure!(server.url().starts_with("http://[::1]:"), "{}", server.url());
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.start_app_with("Bo", &AppOptions::with_test_devices(&server.url())).await?;
        bo.page().log_in("Bo").await?;
        ring(bo.page(), &ana, CallKind::Voice).await?;
        ana.press("decline").await?;
        bo.page().wait_for_own_state("online", UI_TIMEOUT).await
    })
    .await
}

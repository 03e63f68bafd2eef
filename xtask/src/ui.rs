//! `cargo xtask ui`: the web app, from Rust to the files that the server and the app carry.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

use crate::assets::{self, Files};
use crate::exec::say;
use crate::lockfile;
use crate::project::Project;
use crate::toolchain::{self, TARGET, WasmToolchain};
use crate::tools;

/// The package and the program in it.
const NAME: &str = "hutong-ui";

/// What rustc switches on for wasm by default. wasm-opt refuses code that uses a feature it was not told of.
const WASM_FEATURES: [&str; 8] = [
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-call-indirect-overlong",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// How the web app is built.
#[derive(Debug, Clone)]
pub struct Options {
    /// Small and precompressed, instead of quickly built and with names in its backtraces.
    pub release: bool,
    /// Where it is written.
    pub out: PathBuf,
}

/// Builds the web app into `options.out`.
pub fn build(project: &Project, toolchain: &WasmToolchain, options: &Options) -> Result<()> {
    let started = Instant::now();
    lockfile::wasm_bindgen(&project.root)?;
    let wasm = compile(project, toolchain, options.release)?;
    let mut app = bind(project, &wasm, options.release)?;
    if options.release {
        optimise(project, &mut app)?;
    }
    let mut files = page(&project.root.join("ui"), app)?;
    if options.release {
        assets::compress(&mut files)?;
    }
    let changed = assets::write(&options.out, &files)?;
    report(&files);
    let out = options.out.strip_prefix(&project.root).unwrap_or(&options.out);
    say(format!("{}: {changed} of its files changed, {:.1} s", out.display(), started.elapsed().as_secs_f32()));
    Ok(())
}

fn compile(project: &Project, toolchain: &WasmToolchain, release: bool) -> Result<PathBuf> {
    say(format!("compiling the web app to wasm with {}", toolchain.describe()));
    let (profile, dir) = if release { ("wasm", "wasm") } else { ("dev", "debug") };
    toolchain
        .cargo(project)
        .args(["build", "--package", NAME, "--bin", NAME, "--target", TARGET, "--profile", profile])
        .run()?;
    Ok(toolchain::target_dir(project).join(TARGET).join(dir).join(format!("{NAME}.wasm")))
}

/// What wasm-bindgen makes of the wasm: the wasm itself, the JavaScript around it and the snippets of its crates.
fn bind(project: &Project, wasm: &Path, release: bool) -> Result<Files> {
    say("wasm-bindgen");
    let dir = toolchain::target_dir(project).join("bindgen");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).out_name(NAME).typescript(false).omit_default_module_path(true);
    bindgen.remove_name_section(release).remove_producers_section(release).keep_debug(false).web(true)?;
    bindgen.generate(&dir).context("wasm-bindgen does not accept the wasm")?;
    assets::read(&dir)
}

fn optimise(project: &Project, app: &mut Files) -> Result<()> {
    let wasm_opt = tools::wasm_opt(project)?;
    let dir = toolchain::target_dir(project).join("bindgen");
    let (from, to) = (dir.join(format!("{NAME}_bg.wasm")), dir.join("optimised.wasm"));
    say("wasm-opt");
    wasm_opt
        .args(["-Oz", "--strip-debug", "--strip-producers"])
        .args(WASM_FEATURES)
        .arg(&from)
        .arg("-o")
        .arg(&to)
        .run()?;
    app.insert(format!("{NAME}_bg.wasm"), fs::read(&to)?);
    Ok(())
}

/// Every file of the web app: the page, the app under names that follow its content, and what stands in `static`.
///
/// In `ui/index.html`, `{{app}}` stands for the tags that load the app, and `{{name}}` for the address of `static/name`,
/// which is then named by its content too. Files that the page does not mention keep their names.
fn page(ui: &Path, app: Files) -> Result<Files> {
    let path = ui.join("index.html");
    let template = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut statics = assets::read(&ui.join("static"))?;
    let (mut files, tags) = load(app)?;
    let mut named = BTreeMap::new();
    let mut mentioned = BTreeSet::new();
    let page = assets::fill(&template, |name| {
        if name == "app" {
            return Some(tags.clone());
        }
        let content = statics.get(name)?;
        let hashed = assets::hashed_name(name, content);
        named.insert(hashed.clone(), content.clone());
        mentioned.insert(name.to_owned());
        Some(format!("/{hashed}"))
    })?;
    if !template.contains("{{app}}") {
        bail!("{} has no {{{{app}}}}, the place for the tags that load the app", path.display());
    }
    statics.retain(|name, _| !mentioned.contains(name));
    files.append(&mut statics);
    files.append(&mut named);
    files.insert("index.html".to_owned(), page.into_bytes());
    Ok(files)
}

/// Names the app's files by their content and gives the tags that load them.
fn load(mut app: Files) -> Result<(Files, String)> {
    let (wasm_name, js_name) = (format!("{NAME}_bg.wasm"), format!("{NAME}.js"));
    let wasm = app.remove(&wasm_name).context("wasm-bindgen wrote no wasm")?;
    let js = app.remove(&js_name).context("wasm-bindgen wrote no JavaScript")?;
    let wasm_file = assets::hashed_name(&wasm_name, &wasm);
    let mut js = String::from_utf8(js).context("wasm-bindgen's JavaScript is not UTF-8")?;
    // Started from its own file: a page without inline scripts can forbid them all.
    js.push_str(&format!("\n__wbg_init({{ module_or_path: new URL('{wasm_file}', import.meta.url) }});\n"));
    let js_file = assets::hashed_name(&js_name, js.as_bytes());
    let tags = format!(
        "<link rel=\"preload\" href=\"/{wasm_file}\" as=\"fetch\" type=\"application/wasm\" crossorigin>\n    \
         <script type=\"module\" src=\"/{js_file}\"></script>"
    );
    app.insert(wasm_file, wasm);
    app.insert(js_file, js.into_bytes());
    Ok((app, tags))
}

fn report(files: &Files) {
    let mut transfer = 0;
    for (name, content) in files.iter().filter(|(name, _)| !is_twin(name)) {
        let twin = |ending: &str| files.get(&format!("{name}.{ending}")).map(Vec::len);
        let packed = [("br", twin("br")), ("gz", twin("gz"))]
            .iter()
            .filter_map(|(ending, size)| size.map(|size| format!("  {ending} {}", kib(size))))
            .collect::<String>();
        println!("{:>10}  {name}{packed}", kib(content.len()));
        if [".html", ".js", ".css", ".wasm"].iter().any(|ending| name.ends_with(ending)) {
            transfer += twin("br").unwrap_or(content.len());
        }
    }
    println!("{:>10}  page, code and style as a browser gets them", kib(transfer));
}

fn is_twin(name: &str) -> bool {
    name.ends_with(".br") || name.ends_with(".gz")
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files, shown with one digit")]
fn kib(bytes: usize) -> String {
    format!("{:.1} KiB", bytes as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> Files {
        Files::from([
            ("hutong-ui_bg.wasm".to_owned(), b"\0asm".to_vec()),
            ("hutong-ui.js".to_owned(), b"export { initSync, __wbg_init as default };".to_vec()),
            ("snippets/a/inline0.js".to_owned(), b"1".to_vec()),
        ])
    }

    #[test]
    fn the_page_names_every_file_by_its_content() {
        let dir = std::env::temp_dir().join(format!("xtask-page-{}", std::process::id()));
        fs::create_dir_all(dir.join("static")).unwrap();
        fs::write(dir.join("index.html"), "<head>{{app}}<link href=\"{{style.css}}\"></head>").unwrap();
        fs::write(dir.join("static/style.css"), "body {}").unwrap();
        fs::write(dir.join("static/icon.svg"), "<svg/>").unwrap();
        let files = page(&dir, app()).unwrap();
        fs::remove_dir_all(&dir).unwrap();

        let page = String::from_utf8(files["index.html"].clone()).unwrap();
        assert_eq!(files.len(), 6);
        for name in files.keys().filter(|name| name.starts_with("hutong-ui") || name.ends_with(".css")) {
            assert!(page.contains(&format!("\"/{name}\"")), "{name} in {page}");
        }
        assert!(files.contains_key("icon.svg") && files.contains_key("snippets/a/inline0.js"));
        assert!(!files.contains_key("style.css"));
    }

    #[test]
    fn the_javascript_starts_the_wasm_beside_it() {
        let (files, _) = load(app()).unwrap();
        let wasm = files.keys().find(|name| name.ends_with(".wasm")).unwrap();
        let js = files.iter().find(|(name, _)| name.starts_with("hutong-ui-")).unwrap().1;
        assert!(String::from_utf8_lossy(js).contains(&format!("new URL('{wasm}', import.meta.url)")));
    }

    #[test]
    fn other_wasm_is_another_file_and_so_is_its_javascript() {
        let mut other = app();
        other.insert("hutong-ui_bg.wasm".to_owned(), b"\0asm2".to_vec());
        let (one, two) = (load(app()).unwrap().0, load(other).unwrap().0);
        let shared: Vec<_> = one.keys().filter(|name| two.contains_key(*name)).collect();
        assert_eq!(shared, ["snippets/a/inline0.js"]);
    }
}

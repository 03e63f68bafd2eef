//! Checks of the icons in bundles and in the asset catalog of the Apple project.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use png::ColorType;
use serde_json::Value;
use xtask::project::Project;

use crate::problems::{Problems, read};

const CATALOG: &str = "gen/apple/Assets.xcassets/AppIcon.appiconset";

/// Checks that each icon exists and has the size in its name.
pub fn check(project: &Project) -> Result<()> {
    let mut problems = Problems::default();
    problems.collect(bundle(&project.root.join("src-tauri")));
    problems.collect(catalog(&project.root.join(CATALOG)));
    problems.finish()
}

/// Checks `bundle.icon` in tauri.conf.json. `128x128@2x.png` has 256 pixels.
fn bundle(dir: &Path) -> Result<()> {
    let config: Value = serde_json::from_str(&read(&dir.join("tauri.conf.json"))?)?;
    let icons = config.pointer("/bundle/icon").and_then(Value::as_array).context("tauri.conf.json has no icons")?;
    let mut problems = Problems::default();
    for name in icons.iter().filter_map(Value::as_str) {
        let file = dir.join(name);
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (points, scale) = stem.split_once('@').unwrap_or((&stem, "1x"));
        problems.collect(match (name.ends_with(".png"), points.contains('x')) {
            (true, true) => check_png(&file, points, scale).map(drop),
            _ if file.is_file() => Ok(()),
            _ => Err(anyhow!("tauri.conf.json has the icon {name}, which does not exist")),
        });
    }
    problems.finish()
}

/// Checks the asset catalog of the app's icon. Xcode rejects icons with transparency.
fn catalog(dir: &Path) -> Result<()> {
    let contents: Value = serde_json::from_str(&read(&dir.join("Contents.json"))?)?;
    let images = contents["images"].as_array().context("the asset catalog has no images")?;
    let mut problems = Problems::default();
    for image in images {
        let text =
            |key: &str| image[key].as_str().with_context(|| format!("an image of the asset catalog has no {key}"));
        let name = text("filename")?;
        let opaque = check_png(&dir.join(name), text("size")?, text("scale")?).and_then(|color| {
            ensure!(
                matches!(color, ColorType::Rgb | ColorType::Grayscale),
                "{name} has an alpha channel; Xcode rejects icons with transparency"
            );
            Ok(())
        });
        problems.collect(opaque);
    }
    problems.finish()
}

/// Checks the size of a PNG with `20x20` points at a scale of `2x`. Returns its color type.
fn check_png(file: &Path, points: &str, scale: &str) -> Result<ColorType> {
    let read = || -> Result<(u32, u32, ColorType)> {
        let reader = png::Decoder::new(BufReader::new(File::open(file)?)).read_info()?;
        Ok((reader.info().width, reader.info().height, reader.info().color_type))
    };
    let (width, height, color) = read().with_context(|| format!("{} is not a PNG", file.display()))?;
    let points: f64 =
        points.split('x').next().unwrap_or_default().parse().context("the icon's size is not a number")?;
    let pixels = points * scale.trim_end_matches('x').parse::<f64>().context("the icon's scale is not a number")?;
    let is_square = f64::from(width) == pixels && width == height;
    ensure!(is_square, "{} has {width}x{height} pixels instead of {pixels}", file.display());
    Ok(color)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problems::tests::{this_project, write};
    use std::fs;

    fn png(file: &Path, width: u32, height: u32, color: ColorType) {
        let mut encoder = png::Encoder::new(File::create(file).unwrap(), width, height);
        encoder.set_color(color);
        let pixels = vec![0; (width * height) as usize * color.samples()];
        encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    }

    #[test]
    fn missing_wrong_and_transparent_icons_of_the_catalog_are_reported() {
        let dir = tempfile::tempdir().unwrap();
        let contents = r#"{ "images": [
            { "size": "83.5x83.5", "scale": "2x", "filename": "a.png" },
            { "size": "20x20", "scale": "3x", "filename": "b.png" }
        ] }"#;
        write(&dir.path().join("Contents.json"), contents);
        png(&dir.path().join("a.png"), 167, 167, ColorType::Rgb);
        let result = || catalog(dir.path()).map_err(|error| error.to_string());
        let b = dir.path().join("b.png");
        assert!(result().unwrap_err().contains("b.png"));
        png(&b, 60, 61, ColorType::Rgb);
        assert!(result().unwrap_err().contains("60x61"));
        png(&b, 60, 60, ColorType::Rgba);
        assert!(result().unwrap_err().contains("alpha"));
        png(&b, 60, 60, ColorType::Rgb);
        assert_eq!(result(), Ok(()));
    }

    #[test]
    fn missing_and_wrong_icons_of_the_bundle_are_reported() {
        let dir = tempfile::tempdir().unwrap();
        let config = r#"{ "bundle": { "icon": ["icon.ico", "128x128@2x.png"] } }"#;
        write(&dir.path().join("tauri.conf.json"), config);
        png(&dir.path().join("128x128@2x.png"), 128, 128, ColorType::Rgba);
        let error = bundle(dir.path()).unwrap_err().to_string();
        assert!(error.contains("icon.ico") && error.contains("128x128 pixels instead of 256"), "{error}");
        png(&dir.path().join("128x128@2x.png"), 256, 256, ColorType::Rgba);
        fs::write(dir.path().join("icon.ico"), "").unwrap();
        bundle(dir.path()).unwrap();
    }

    #[test]
    fn the_icons_of_this_project_are_complete() {
        check(&this_project()).unwrap();
    }
}

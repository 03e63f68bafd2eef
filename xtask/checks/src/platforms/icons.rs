//! The icons that bundles name, and the catalogue of the Apple project.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use png::ColorType;
use serde_json::Value;
use xtask::project::Project;

use crate::problems::{Problems, read};

const CATALOGUE: &str = "gen/apple/Assets.xcassets/AppIcon.appiconset";

/// Checks that each icon is there and is what its name says.
pub fn check(project: &Project) -> Result<()> {
    let mut problems = Problems::default();
    problems.try_out(bundle(&project.root.join("src-tauri")));
    problems.try_out(catalogue(&project.root.join(CATALOGUE)));
    problems.end()
}

/// `bundle.icon` in tauri.conf.json. `128x128@2x.png` has 256 pixels.
fn bundle(dir: &Path) -> Result<()> {
    let config: Value = serde_json::from_str(&read(&dir.join("tauri.conf.json"))?)?;
    let icons = config.pointer("/bundle/icon").and_then(Value::as_array).context("tauri.conf.json names no icons")?;
    let mut problems = Problems::default();
    for name in icons.iter().filter_map(Value::as_str) {
        let file = dir.join(name);
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (points, scale) = stem.split_once('@').unwrap_or((&stem, "1x"));
        problems.try_out(match (name.ends_with(".png"), points.contains('x')) {
            (true, true) => is_square(&file, points, scale).map(drop),
            _ if file.is_file() => Ok(()),
            _ => Err(anyhow!("tauri.conf.json names {name}, which is not there")),
        });
    }
    problems.end()
}

/// What Xcode takes the app's icon from. It refuses an icon with transparency.
fn catalogue(dir: &Path) -> Result<()> {
    let contents: Value = serde_json::from_str(&read(&dir.join("Contents.json"))?)?;
    let images = contents["images"].as_array().context("the catalogue names no images")?;
    let mut problems = Problems::default();
    for image in images {
        let text = |key: &str| image[key].as_str().with_context(|| format!("an image without {key}"));
        let name = text("filename")?;
        let opaque = is_square(&dir.join(name), text("size")?, text("scale")?).and_then(|color| {
            ensure!(matches!(color, ColorType::Rgb | ColorType::Grayscale), "{name} has an alpha channel");
            Ok(())
        });
        problems.try_out(opaque);
    }
    problems.end()
}

/// Checks the pixels of a PNG of `20x20` points at `2x`; gives the kind of its colours.
fn is_square(file: &Path, points: &str, scale: &str) -> Result<ColorType> {
    let read = || -> Result<(u32, u32, ColorType)> {
        let reader = png::Decoder::new(BufReader::new(File::open(file)?)).read_info()?;
        Ok((reader.info().width, reader.info().height, reader.info().color_type))
    };
    let (width, height, color) = read().with_context(|| format!("{} is no PNG", file.display()))?;
    let points: f64 = points.split('x').next().unwrap_or_default().parse().context("not the size of an icon")?;
    let pixels = points * scale.trim_end_matches('x').parse::<f64>().context("not the scale of an icon")?;
    let is_square = f64::from(width) == pixels && width == height;
    ensure!(is_square, "{} has {width}x{height} pixels, and not {pixels}", file.display());
    Ok(color)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problems::tests::{ours, write};
    use std::fs;

    fn png(file: &Path, width: u32, height: u32, color: ColorType) {
        let mut encoder = png::Encoder::new(File::create(file).unwrap(), width, height);
        encoder.set_color(color);
        let pixels = vec![0; (width * height) as usize * color.samples()];
        encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    }

    #[test]
    fn a_catalogue_with_missing_wrong_or_transparent_icons_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let contents = r#"{ "images": [
            { "size": "83.5x83.5", "scale": "2x", "filename": "a.png" },
            { "size": "20x20", "scale": "3x", "filename": "b.png" }
        ] }"#;
        write(&dir.path().join("Contents.json"), contents);
        png(&dir.path().join("a.png"), 167, 167, ColorType::Rgb);
        let told = || catalogue(dir.path()).map_err(|error| error.to_string());
        let b = dir.path().join("b.png");
        assert!(told().unwrap_err().contains("b.png"));
        png(&b, 60, 61, ColorType::Rgb);
        assert!(told().unwrap_err().contains("60x61"));
        png(&b, 60, 60, ColorType::Rgba);
        assert!(told().unwrap_err().contains("alpha"));
        png(&b, 60, 60, ColorType::Rgb);
        assert_eq!(told(), Ok(()));
    }

    #[test]
    fn an_icon_of_the_bundle_is_there_and_as_large_as_its_name_says() {
        let dir = tempfile::tempdir().unwrap();
        let config = r#"{ "bundle": { "icon": ["icon.ico", "128x128@2x.png"] } }"#;
        write(&dir.path().join("tauri.conf.json"), config);
        png(&dir.path().join("128x128@2x.png"), 128, 128, ColorType::Rgba);
        let told = bundle(dir.path()).unwrap_err().to_string();
        assert!(told.contains("icon.ico") && told.contains("128x128 pixels, and not 256"), "{told}");
        png(&dir.path().join("128x128@2x.png"), 256, 256, ColorType::Rgba);
        fs::write(dir.path().join("icon.ico"), "").unwrap();
        bundle(dir.path()).unwrap();
    }

    #[test]
    fn ours_are_all_there() {
        check(&ours()).unwrap();
    }
}

//! What a measurement leaves behind: its settings, and one table of points for every layer, so that it goes on with the
//! next layer after it was stopped.

use anyhow::{Context, Result, bail, ensure};
use report::record::RunFolder;
use serde::{Deserialize, Serialize};

use super::directions::Place;
use super::layer::Point;

/// File of the settings.
const SETTINGS: &str = "settings.json";

/// Everything that decides the numbers of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// SHA-256 of the model's configuration and of its weights.
    pub model: [String; 2],
    /// SHA-256 of the tokens of the rows.
    pub rows: String,
    /// Directions of every set, at most.
    pub directions: usize,
    /// Random output directions.
    pub outputs: usize,
    /// Seed of the output directions.
    pub seed: u64,
    /// The compute backend, as it is described.
    pub backend: String,
}

impl Settings {
    /// Opens the folder of a measurement with these settings: a new or empty one, or one that was begun with the same.
    ///
    /// # Errors
    ///
    /// If the folder holds something else, or cannot be read or written.
    pub fn folder(&self, out: &std::path::Path) -> Result<RunFolder> {
        let path = out.join(SETTINGS);
        if !path.is_file() {
            let folder = RunFolder::create(Some(out), "curvature")?;
            folder.write(SETTINGS, serde_json::to_string_pretty(self)?.as_bytes())?;
            return Ok(folder);
        }
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let before: Self =
            serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        ensure!(
            &before == self,
            "{} was begun with another model, other rows or other settings ({SETTINGS}); choose another --out, or the \
             same settings to go on",
            out.display()
        );
        RunFolder::take_up(out)
    }
}

/// The name of the file with the points of a layer.
pub fn file_name(layer: &str) -> String {
    format!("{layer}.csv")
}

/// Reads the points of a layer, which are at `places`; `None` if they have not been measured.
///
/// # Errors
///
/// If the file is there and cannot be read, or holds other points: a file that was cut short is not a measurement.
pub fn read(folder: &RunFolder, layer: &str, places: &[Place]) -> Result<Option<Vec<Point>>> {
    let path = folder.path().join(file_name(layer));
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let points: Result<Vec<Point>, csv::Error> = csv::Reader::from_reader(text.as_bytes())
        .deserialize()
        .collect();
    let points = points.with_context(|| format!("in {}", path.display()))?;
    // Inside the last number, a cut leaves a shorter number; only the end of the line shows it.
    ensure!(
        points.iter().map(Point::at).eq(places.iter().copied()) && text.ends_with('\n'),
        "{} does not hold the {} points of the layer, each in a line of its own: it holds {}, so it was cut short or \
         edited; remove it to measure the layer again",
        path.display(),
        places.len(),
        points.len()
    );
    let wrong = points.iter().position(|point| !point.is_finite());
    if let Some(index) = wrong {
        bail!(
            "{}, line {}: a number is not finite; remove the file to measure the layer again",
            path.display(),
            index + 2
        );
    }
    Ok(Some(points))
}

/// Writes the points of a layer.
///
/// # Errors
///
/// If the folder cannot be written.
pub fn write(folder: &RunFolder, layer: &str, points: &[Point]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for point in points {
        writer.serialize(point)?;
    }
    let table = writer.into_inner().context("cannot write a table")?;
    folder.write(&file_name(layer), &table)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::curvature::directions::Choice;

    fn settings() -> Settings {
        Settings {
            model: ["c".to_string(), "w".to_string()],
            rows: "r".to_string(),
            directions: 4,
            outputs: 2,
            seed: 0,
            backend: "flex".to_string(),
        }
    }

    #[test]
    fn points_are_read_as_they_were_written() {
        let parent = tempfile::tempdir().unwrap();
        let folder = settings().folder(&parent.path().join("run")).unwrap();
        let choice = Choice {
            directions: 2,
            outputs: 1,
            seed: 0,
        };
        let places = choice.places([3, 2]);
        let read = |layer: &str| read(&folder, layer, &places);
        assert_eq!(read("layers.0.weight").unwrap(), None);
        let point = |at: &Place| Point {
            family: at.family,
            place: at.place,
            output: at.output,
            value: 0.1 + 0.2,
            step: 1.0 / 3.0,
            curvature: -1.234_567_890_123_456_7e-9,
            curvature_at_half: 2e300,
            slope: -0.0,
            standard_error: f64::MIN_POSITIVE,
        };
        let points: Vec<Point> = places.iter().map(point).collect();
        assert_eq!(points.len(), 6);
        write(&folder, "layers.0.weight", &points).unwrap();
        let file = folder.path().join("layers.0.weight.csv");
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(read("layers.0.weight").unwrap(), Some(points));

        // Wherever it was cut, and with a number that is none.
        let broken = (0..text.len()).map(|length| text[..length].to_string());
        for text in broken.chain([text.replacen("2e300", "inf", 1), text.repeat(2)]) {
            std::fs::write(&file, &text).unwrap();
            let error = format!("{:#}", read("layers.0.weight").unwrap_err());
            assert!(error.contains("layers.0.weight.csv"), "{error}\n{text}");
        }
    }

    #[test]
    fn the_committed_measurements_are_complete() {
        let results = concat!(env!("CARGO_MANIFEST_DIR"), "/../../results/curvature");
        let layers = [
            ("builtin", "layers.0.mlp.down_proj", [384, 128], 320),
            ("builtin", "layers.3.self_attn.k_proj", [128, 64], 320),
            ("smollm2", "layers.7.mlp.down_proj", [1536, 576], 60),
            (
                "t5",
                "encoder.block.1.layer.0.SelfAttention.v",
                [128, 128],
                72,
            ),
        ];
        for (name, layer, shape, count) in layers {
            let folder = RunFolder::reopen(&std::path::Path::new(results).join(name)).unwrap();
            let text = std::fs::read_to_string(folder.path().join(SETTINGS)).unwrap();
            let settings: Settings = serde_json::from_str(&text).unwrap();
            let choice = Choice {
                directions: settings.directions,
                outputs: settings.outputs,
                seed: settings.seed,
            };
            let points = read(&folder, &format!("{layer}.weight"), &choice.places(shape));
            assert_eq!(points.unwrap().unwrap().len(), count, "{name} {layer}");
        }
    }

    #[test]
    fn a_folder_goes_on_with_the_same_settings_only() {
        let parent = tempfile::tempdir().unwrap();
        let out = parent.path().join("run");
        settings().folder(&out).unwrap();
        settings().folder(&out).unwrap();
        let other = Settings {
            seed: 1,
            ..settings()
        };
        let error = other.folder(&out).unwrap_err().to_string();
        assert!(error.contains("other settings"), "{error}");
        let foreign = parent.path().join("foreign");
        std::fs::create_dir(&foreign).unwrap();
        std::fs::write(foreign.join("a.txt"), "mine").unwrap();
        let error = settings().folder(&foreign).unwrap_err().to_string();
        assert!(error.contains("not empty"), "{error}");
    }
}

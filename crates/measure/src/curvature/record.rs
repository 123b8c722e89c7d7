//! What a measurement leaves behind: its settings, and one table of points for every layer, so that it goes on with the
//! next layer after it was stopped.

use anyhow::{Context, Result, ensure};
use report::record::RunFolder;
use serde::{Deserialize, Serialize};

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

/// Reads the points of a layer; `None` if they have not been measured.
///
/// # Errors
///
/// If the file is there and cannot be read.
pub fn read(folder: &RunFolder, layer: &str) -> Result<Option<Vec<Point>>> {
    let path = folder.path().join(file_name(layer));
    if !path.is_file() {
        return Ok(None);
    }
    let mut reader =
        csv::Reader::from_path(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let points: Result<Vec<Point>, csv::Error> = reader.deserialize().collect();
    let points = points.with_context(|| format!("in {}", path.display()))?;
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
    use crate::curvature::directions::Family;

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
        assert_eq!(read(&folder, "layers.0.weight").unwrap(), None);
        let point = Point {
            family: Family::SingularInputs,
            place: 3,
            output: 1,
            value: 0.1 + 0.2,
            step: 1.0 / 3.0,
            curvature: -1.234_567_890_123_456_7e-9,
            curvature_at_half: 2e300,
            slope: -0.0,
            standard_error: f64::MIN_POSITIVE,
        };
        write(&folder, "layers.0.weight", std::slice::from_ref(&point)).unwrap();
        assert_eq!(read(&folder, "layers.0.weight").unwrap(), Some(vec![point]));
        std::fs::write(
            folder.path().join("broken.csv"),
            "family,place\nsingular,x\n",
        )
        .unwrap();
        let error = format!("{:#}", read(&folder, "broken").unwrap_err());
        assert!(error.contains("broken.csv"), "{error}");
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

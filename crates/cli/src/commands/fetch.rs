//! `osft fetch`.

use std::path::Path;

use anyhow::{Result, ensure};
use general::Manifest;
use hub::{Hub, WantedFile};

use crate::args::FetchArgs;

/// Fetches a model, or the files of a manifest.
pub fn run(args: &FetchArgs) -> Result<()> {
    if let (Some(manifest), Some(out)) = (&args.manifest, &args.out) {
        return files(manifest, out);
    }
    let model = args.model.as_deref().unwrap_or(Path::new(""));
    let folder = runs::model_folder(model)?;
    ensure!(
        folder.is_dir(),
        "{} is neither a folder nor the name of a model on the hub, such as ORGANIZATION/NAME",
        model.display()
    );
    println!("{}", folder.display());
    Ok(())
}

fn files(manifest: &Path, out: &Path) -> Result<()> {
    let manifest = Manifest::read(manifest)?;
    let hub = Hub::from_env()?;
    let faults = manifest.verify(out)?;
    let kept = manifest.files.len() - faults.len();
    for (file, _) in &faults {
        let wanted = WantedFile {
            url: &file.url,
            bytes: file.bytes,
            sha256: &file.sha256,
        };
        let path = out.join(&file.path);
        runs::with_transfer(|progress| hub::fetch_file(&hub, &wanted, &path, progress))?;
        println!("{} ({})", path.display(), file.licence);
    }
    println!(
        "{} fetched, {kept} there before; all {} are as the manifest says",
        faults.len(),
        manifest.files.len()
    );
    Ok(())
}

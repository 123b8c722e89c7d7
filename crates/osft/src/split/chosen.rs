//! Choosing the weights that a split takes.

use crate::config::OsftConfig;
use crate::error::OsftError;
use crate::module::{Place, Survey};

/// The targets of a split, and warnings about selected weights that are left out.
pub(crate) fn chosen(
    survey: &Survey,
    config: &OsftConfig,
    trains: impl Fn(&Place) -> bool,
) -> Result<(Vec<Place>, Vec<String>), OsftError> {
    let selected = config.targets.places(survey)?;
    let paths: Vec<&str> = selected.iter().map(|place| place.path.as_str()).collect();
    config.check_target_shares(&paths)?;
    let mut warnings = Vec::new();
    let mut chosen = Vec::with_capacity(selected.len());
    for place in &selected {
        if let Some(also) = &place.also {
            warnings.push(format!(
                "{} is left as it is: it is also {also}, and an optimizer would move one of the two \
                 alone; keep one parameter and use it twice",
                place.path
            ));
        } else if !trains(place) {
            warnings.push(format!("{} is left as it is: it is frozen", place.path));
        } else {
            chosen.push(place.clone());
        }
    }
    match chosen.is_empty() {
        true => Err(OsftError::NothingTrains {
            targets: selected.into_iter().map(|place| place.path).collect(),
        }),
        false => Ok((chosen, warnings)),
    }
}

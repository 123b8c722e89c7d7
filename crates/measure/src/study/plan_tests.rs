//! Plans: what they may say, and what becomes of it.

use super::*;

fn resolved(text: &str) -> Result<Plan> {
    Plan::resolve(
        &Registries::builtin(),
        toml::from_str(text).unwrap(),
        &Table::new(),
    )
}

#[test]
fn the_parts_cover_every_run_once() {
    let parts: Vec<Part> = ["1/3", "2/3", "3/3"].map(|p| p.parse().unwrap()).to_vec();
    for index in 0..20 {
        assert_eq!(parts.iter().filter(|part| part.takes(index)).count(), 1);
    }
    for text in ["0/2", "3/2", "1", "a/b", ""] {
        let error = text.parse::<Part>().unwrap_err();
        assert!(error.to_string().contains("is no part"), "{error}");
    }
}

#[test]
fn names_of_pictures_are_files_of_the_folder() {
    let with = |pictures: &str| {
        let text = format!(
            "title = 't'\nrows = 'validation'\nseeds = [0]\nlearning_rates = [1e-3]\n[[variants]]\n\
             method = 'seqft'\npictures = {pictures}"
        );
        resolved(&text).map(|_| ())
    };
    assert!(with("['shares', 'input energy 0.9', 'shares']").is_ok());
    for (pictures, word) in [
        ("['../x']", "letters"),
        ("['']", "letters"),
        ("['a/b']", "letters"),
        ("['a b', 'a-b']", "same file"),
    ] {
        let error = format!("{:#}", with(pictures).unwrap_err());
        assert!(error.contains(word), "{pictures}: {error}");
    }
}

#[test]
fn a_variant_changes_only_the_settings_that_it_names() {
    let text = r#"
        title = "t"
        rows = "validation"
        seeds = [0]
        learning_rates = [1e-3, 3e-3]
        [run]
        order = "2"
        [[variants]]
        method = "seqft"
        learning_rates = [1e-4]
        [[variants]]
        method = "osft"
        settings = { split = "both", protected_share = { fixed = 0.25 } }
        [[variants]]
        method = "osft"
        settings = { max_output_change = "none" }
        [[variants]]
        method = "osft"
        settings = { protected_share = { energy = 0.97 } }
    "#;
    let plan = resolved(text).unwrap();
    let labels: Vec<String> = plan.variants.iter().map(|v| v.label().unwrap()).collect();
    // The bound of the defaults goes with the split by inputs alone, and with it their share.
    let expected = [
        "seqft",
        "osft both core 0.25",
        "osft inputs core energy 0.9",
        "osft inputs core energy 0.97 outputs within 0.015",
    ];
    assert_eq!(labels, expected);
    assert_eq!(plan.variants[0].learning_rates, [1e-4]);
    assert_eq!(plan.variants[1].learning_rates, [1e-3, 3e-3]);
    assert!(plan.variants.iter().all(|v| v.config.order == "2"));
    let broken = text.replace("0.25", "1.25");
    let error = resolved(&broken).err().unwrap();
    assert!(format!("{error:#}").contains("variant 2"), "{error:#}");
}

#[test]
fn the_rate_of_an_order_is_that_of_its_variants() {
    let rates = |order: &str| {
        let text = format!(
            "title = 't'\nrows = 'validation'\nseeds = [0]\n[run]\norder = '{order}'\n\
             by_order = {{ 2 = {{ learning_rates = {{ osft = 0.5 }} }} }}\n[[variants]]\nmethod = 'osft'"
        );
        resolved(&text).unwrap().variants[0].learning_rates.clone()
    };
    assert_eq!(rates("2"), [0.5]);
    assert_ne!(rates("1"), [0.5]);
}

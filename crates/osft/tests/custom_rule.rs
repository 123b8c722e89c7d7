//! A custom share rule from outside the crate: typing, saving, loading, splitting and training.

use crate::common::{Mlp, adamw, backends, host_leaks, trained, weights_of};
use osft::{
    LayerFacts, Osft, OsftConfig, OsftError, Rule, RuleKind, ShareRule, ShareRules, SplitCache,
    SplitContext,
};
use toml::Value;

/// One out of this many directions.
#[derive(Debug)]
struct OneOf(usize);

impl Rule for OneOf {
    fn name(&self) -> &'static str {
        "one_of"
    }

    fn setting(&self) -> Option<Value> {
        Some(Value::from(self.0 as i64))
    }

    fn protected_directions(&self, layer: &LayerFacts<'_>) -> usize {
        layer.directions / self.0
    }
}

fn rules() -> ShareRules {
    let kind = RuleKind::new("one_of", "One of so many directions.", OneOf);
    ShareRules::builtin().with(kind.typed(
        &["1/COUNT"],
        "`1/COUNT` of the directions",
        |text: &str| match text.strip_prefix("1/") {
            Some(count) => Ok(Some(OneOf(count.parse().map_err(|_| count.to_string())?))),
            None => Ok(None),
        },
    ))
}

fn config() -> OsftConfig {
    OsftConfig::new().with_share_rule(ShareRule::custom(OneOf(4)))
}

#[test]
fn a_custom_rule_can_be_typed_like_the_others() {
    assert_eq!(rules().parse("1/4").unwrap(), ShareRule::custom(OneOf(4)));
    assert_eq!(rules().parse("0.25").unwrap(), ShareRule::fixed(0.25));
    let error = rules().parse("1/x").unwrap_err().to_string();
    let words = "\"x\" is no share: expected a number from 0 to 1,";
    assert!(
        error.starts_with(words) && error.ends_with("k=COUNT or 1/COUNT"),
        "{error}"
    );
    let error = rules().parse("half").unwrap_err();
    assert!(
        matches!(error, OsftError::NoShare { ref text, .. } if text == "half"),
        "{error}"
    );
    assert!(
        rules()
            .typed_help()
            .ends_with("or `1/COUNT` of the directions")
    );
    assert_eq!(ShareRule::custom(OneOf(4)).label(), "one_of 4");
}

#[test]
fn a_custom_rule_is_written_and_read_like_every_rule() {
    let config = config().with_target_share("last", ShareRule::custom(OneOf(2)));
    let written = toml::to_string(&config).unwrap();
    assert!(
        written.contains("[protected_share]\none_of = 4\n"),
        "{written}"
    );
    let read: OsftConfig = toml::from_str(&written).unwrap();
    assert_eq!(read, config);
    // Until a registry resolves it, only its name is known.
    let error = read.validate().unwrap_err();
    let unknown = matches!(&error, OsftError::UnknownShareRule { name, available }
        if name == "one_of" && available.contains(&"energy".to_string()));
    assert!(unknown, "{error}");
    let model = Mlp::new(1, &backends()[0].1);
    let error = Osft::split(&model, &read).unwrap_err();
    assert!(
        matches!(error, OsftError::UnknownShareRule { .. }),
        "{error}"
    );
    let error = read.clone().with_rules(&ShareRules::builtin());
    assert!(matches!(error, Err(OsftError::UnknownShareRule { .. })));

    let resolved = read.with_rules(&rules()).unwrap();
    resolved.validate().unwrap();
    assert_eq!(resolved, config);
    assert_eq!(toml::to_string(&resolved).unwrap(), written);
    let osft = Osft::split(&model, &resolved).unwrap();
    let protected: Vec<usize> = osft.layers().iter().map(|layer| layer.k_in).collect();
    assert_eq!(protected, [4, 4, 6]);

    let wrong = written.replace("one_of = 4", "one_of = \"four\"");
    let wrong: OsftConfig = toml::from_str(&wrong).unwrap();
    let error = wrong.with_rules(&rules()).unwrap_err().to_string();
    let expected = "the setting of share rule \"one_of\" is wrong: invalid type: string \"four\", \
                    expected usize";
    assert_eq!(error, expected);
}

#[test]
fn a_split_with_a_custom_rule_trains_and_is_saved_and_loaded() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let model = Mlp::new(2, &device);
        let osft = Osft::split(&model, &config()).unwrap();
        let fixed = OsftConfig::new().with_protected_share(0.25);
        let expected = Osft::split(&model, &fixed).unwrap();
        assert_eq!(osft.summary(), expected.summary(), "{backend}");

        let learned = trained(model.clone(), &osft, adamw(), 1e-2, 20, &device);
        let bytes = osft.to_bytes().unwrap();
        let read = Osft::from_bytes(&bytes, &model, &SplitContext::new()).unwrap();
        assert_eq!(read.config(), osft.config(), "{backend}");
        assert_eq!(read.summary(), osft.summary(), "{backend}");
        let again = trained(model.clone(), &read, adamw(), 1e-2, 20, &device);
        let [first, second] = [osft.finish(learned), read.finish(again)].map(Result::unwrap);
        assert_eq!(weights_of(&first), weights_of(&second), "{backend}");
        let leaks = host_leaks(&weights_of(&model), &weights_of(&first), 0.25);
        for (input, output) in leaks {
            assert!(input < 1e-5 && output < 1e-5, "{backend}: {input} {output}");
        }
        // Only a new split asks the rule again.
        assert!(Osft::split(&first, read.config()).is_err());
        let resolved = read.config().clone().with_rules(&rules()).unwrap();
        assert!(Osft::split(&first, &resolved).is_ok(), "{backend}");
    }
}

#[test]
fn a_cached_split_has_the_resolved_rule_of_its_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let cache = SplitCache::in_folder(folder.path());
    let context = SplitContext::new().with_cache(&cache);
    let model = Mlp::new(3, &backends()[0].1);
    for _ in 0..2 {
        let osft = Osft::split_in(&model, &config(), &context).unwrap();
        assert!(osft.warnings().is_empty(), "{:?}", osft.warnings());
        osft.config().validate().unwrap();
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

pub struct MatrixPicture<'a> {
    pub title: &'a str,
    pub tasks: &'a [String],
    pub scores: &'a [Vec<Option<f64>>],
}
pub fn heat_map(_title: &str, _panels: &[MatrixPicture<'_>]) -> anyhow::Result<String> {
    Ok(String::new())
}

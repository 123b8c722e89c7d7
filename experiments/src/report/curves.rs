pub struct Curve<'a> {
    pub label: &'a str,
    pub points: Vec<(f64, f64)>,
    pub spread: Vec<f64>,
}
pub struct CurvesPicture<'a> {
    pub title: &'a str,
    pub x_label: &'a str,
    pub y_label: &'a str,
    pub x_ticks: &'a [String],
    pub y_range: Option<(f64, f64)>,
    pub curves: &'a [Curve<'a>],
}
pub fn curves(_p: &CurvesPicture<'_>) -> anyhow::Result<String> {
    Ok(String::new())
}

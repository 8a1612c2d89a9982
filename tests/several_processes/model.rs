use super::AtWork;
impl AtWork {
    pub fn do_anything(&self) {}
}

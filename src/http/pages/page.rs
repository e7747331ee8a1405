//! The pages themselves: plain HTML, no scripts, no pictures from elsewhere. Maud escapes whatever is put in.

use super::{
    brand::Brand,
    texts::{Language, Texts},
};
use jiff::{Timestamp, tz::TimeZone};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use reauth::{BusyWhy, LinkPage};

/// Seconds after which a busy page no longer goes back by itself: nobody looks at it for so long.
const LONGEST_REFRESH: u64 = 120;

/// A page in one language.
pub(super) struct Page<'a> {
    brand: &'a Brand,
    language: Language,
    texts: &'a Texts,
}

impl<'a> Page<'a> {
    pub(super) fn new(brand: &'a Brand, language: Language) -> Self {
        Self { brand, language, texts: brand.texts.of(language) }
    }

    /// The page with the button. The form leads to its own address, wherever a proxy has put that.
    pub(super) fn question(&self, page: &LinkPage) -> String {
        let texts = self.texts;
        let body = html! {
            h1 { (texts.title) }
            p { (self.branded(&texts.intro)) }
            dl {
                @if let Some(purpose) = &page.purpose {
                    dt { (texts.purpose) }
                    dd { (purpose) }
                }
                dt { (texts.who) }
                dd { (self.name()) }
                dt { (texts.asked) }
                dd { time datetime=(page.asked_at.strftime("%Y-%m-%dT%H:%M:%SZ")) { (self.date(page.asked_at)) } }
            }
            p { (self.branded(&texts.how)) }
            form method="post" { button type="submit" { (texts.button) } }
            p class="warning" { strong { (self.branded(&texts.warning)) } }
        };
        self.document(&texts.title, None, &body)
    }

    /// The page for everything that cannot be used. It says nothing about why.
    pub(super) fn dead(&self) -> String {
        let body = html! {
            h1 { (self.texts.dead_title) }
            p { (self.branded(&self.texts.dead)) }
        };
        self.document(&self.texts.dead_title, None, &body)
    }

    /// The page for now and here. It goes back to the question, never to the press: a person presses again.
    pub(super) fn busy(&self, why: BusyWhy, seconds: u64) -> String {
        let texts = self.texts;
        let text = match why {
            BusyWhy::Soon => &texts.busy,
            BusyWhy::Unsettled => &texts.busy_unsettled,
            BusyWhy::OtherOpen => &texts.busy_other,
            BusyWhy::TooOften => &texts.busy_often,
        };
        let refresh = (seconds <= LONGEST_REFRESH).then_some(seconds);
        let when = match refresh {
            Some(seconds) => texts.busy_seconds.replace("{count}", &seconds.to_string()),
            None => texts.busy_minutes.replace("{count}", &seconds.div_ceil(60).to_string()),
        };
        let body = html! {
            div role="status" {
                h1 { (texts.busy_title) }
                p { (self.branded(text)) }
                p { (when) }
            }
            p { a class="button" href="?" { (texts.busy_back) } }
        };
        self.document(&texts.busy_title, refresh, &body)
    }

    fn document(&self, title: &str, refresh: Option<u64>, body: &Markup) -> String {
        let page = html! {
            (DOCTYPE)
            html lang=(self.language.tag()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="robots" content="noindex, nofollow";
                    @if let Some(seconds) = refresh {
                        // A query that is empty, because the bare address might be taken for a repetition of the POST.
                        meta http-equiv="refresh" content={ (seconds) "; url=?" };
                    }
                    title { (title) @if let Some(name) = &self.brand.name { " – " (name) } }
                    // The style sheet is ours, with two colours that were parsed.
                    style { (PreEscaped(&self.brand.style)) }
                }
                body {
                    main {
                        @if let Some(logo) = &self.brand.logo {
                            p class="brand" { img src=(logo) alt=(self.name()); }
                        } @else if let Some(name) = &self.brand.name {
                            p class="brand" { (name) }
                        }
                        (body)
                    }
                }
            }
        };
        page.into_string()
    }

    fn name(&self) -> &str {
        self.brand.name.as_deref().unwrap_or(&self.texts.somebody)
    }

    fn branded(&self, text: &str) -> String {
        text.replace("{brand}", self.name())
    }

    fn date(&self, at: Timestamp) -> String {
        let at = at.to_zoned(TimeZone::UTC);
        let month = self.texts.months.split_whitespace().nth(usize::from(at.month().unsigned_abs()) - 1);
        let replace = [
            ("{day}", at.day().to_string()),
            ("{month}", month.unwrap_or_default().to_owned()),
            ("{year}", at.year().to_string()),
            ("{time}", at.strftime("%H:%M").to_string()),
        ];
        replace.iter().fold(self.texts.date.clone(), |text, (name, value)| text.replace(name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Links;
    use std::time::Duration;

    fn brand(name: &str) -> Brand {
        Brand::load(&Links {
            base_url: None,
            default_life: Duration::from_secs(1),
            max_results: 5,
            brand_name: Some(name.to_owned()),
            brand_color: None,
            logo_file: None,
            texts_dir: None,
        })
        .unwrap()
    }

    fn asked(purpose: &str) -> LinkPage {
        LinkPage {
            purpose: Some(purpose.to_owned()),
            asked_at: "2026-03-01T09:05:00Z".parse().unwrap(),
            locale: None,
            leads_back_to: Vec::new(),
        }
    }

    #[test]
    fn whatever_is_put_into_a_page_is_text_and_nothing_else() {
        let evil = "<script>alert('x')</script>\"&";
        let brand = brand(evil);
        for language in Language::ALL {
            let page = Page::new(&brand, language);
            for html in [page.question(&asked(evil)), page.dead(), page.busy(BusyWhy::TooOften, 5)] {
                assert!(!html.contains("<script"), "{html}");
                assert!(!html.contains("{brand}") && !html.contains("{count}"), "{html}");
                assert!(html.contains(&format!("<html lang=\"{}\">", language.tag())));
            }
            assert!(page.question(&asked(evil)).contains("<dd>&lt;script&gt;"));
        }
    }

    #[test]
    fn the_date_is_in_the_language_of_the_page() {
        let brand = brand("Example Corp");
        for (language, date) in [
            (Language::En, "1 March 2026, 09:05 UTC"),
            (Language::De, "1. März 2026, 09:05 Uhr (UTC)"),
            (Language::Es, "1 de marzo de 2026, 09:05 UTC"),
            (Language::Fr, "1 mars 2026 à 09:05 UTC"),
        ] {
            let html = Page::new(&brand, language).question(&asked("x"));
            assert!(html.contains(date), "{html}");
            assert!(html.contains("datetime=\"2026-03-01T09:05:00Z\""));
        }
    }

    #[test]
    fn a_busy_page_goes_back_by_itself_only_while_somebody_may_be_waiting() {
        let brand = brand("Example Corp");
        let page = Page::new(&brand, Language::En);
        assert!(page.busy(BusyWhy::Soon, 5).contains("http-equiv=\"refresh\" content=\"5; url=?\""));
        let late = page.busy(BusyWhy::OtherOpen, 899);
        assert!(!late.contains("refresh") && late.contains("15 minutes"), "{late}");
    }
}

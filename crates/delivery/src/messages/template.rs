//! Puts the sentences of a language together into the templates that are filled at send time.

use super::Purpose;
use super::catalog::LanguageFile;
use super::voice;

/// One of the texts a message consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Sms,
    Subject,
    MailText,
    MailHtml,
    Voice,
}

impl Part {
    pub(crate) const ALL: [Self; 5] = [Self::Sms, Self::Subject, Self::MailText, Self::MailHtml, Self::Voice];
}

/// One template of a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    pub(crate) part: Part,
    pub(crate) purpose: Purpose,
}

impl Slot {
    /// The name its template has; those that end in `.html` escape their values.
    pub(crate) fn name(self, tag: &str) -> String {
        let kind = match self.part {
            Part::Sms => "sms.txt",
            Part::Subject => "subject.txt",
            Part::MailText => "mail.txt",
            Part::MailHtml => "mail.html",
            Part::Voice => "voice.txt",
        };
        format!("{tag}/{}/{kind}", self.purpose.as_str())
    }
}

/// The template of that slot.
pub(crate) fn source(file: &LanguageFile, slot: Slot) -> String {
    let (sentence, purpose, gap) = (&file.sentence, slot.purpose, &file.sentence_gap);
    match slot.part {
        Part::Sms => {
            let lead = sentence.lead(purpose, &sentence.confirm_phone);
            format!("{lead}{gap}{}{gap}{}", sentence.expiry, sentence.never_share)
        }
        Part::Subject => file.email.subject.of(purpose).to_owned(),
        Part::MailText => mail_text(file, purpose),
        Part::MailHtml => mail_html(file, purpose),
        Part::Voice => voice::source(file, purpose),
    }
}

/// The first line is what mail programs show beside the subject, so it is the one that carries the code.
fn mail_text(file: &LanguageFile, purpose: Purpose) -> String {
    let (sentence, email, gap) = (&file.sentence, &file.email, &file.sentence_gap);
    let lead = sentence.lead(purpose, &sentence.confirm_email);
    let mut text = format!("{lead}{gap}{}\n\n", sentence.expiry);
    if purpose == Purpose::Transaction {
        text += &format!("{}: {{{{ amount }}}}\n{}: {{{{ payee }}}}\n", email.amount, email.payee);
        text += &format!("{{% if reference %}}{}: {{{{ reference }}}}\n{{% endif %}}\n", email.reference);
    }
    text + &format!("{}\n\n{}\n", sentence.never_share, email.unrequested)
}

fn mail_html(file: &LanguageFile, purpose: Purpose) -> String {
    let (sentence, email, gap) = (&file.sentence, &file.email, &file.sentence_gap);
    let lead = sentence.lead(purpose, &sentence.confirm_email);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"{}\" dir=\"{}\">\n<head><meta charset=\"utf-8\"></head>\n\
         <body style=\"font-family:sans-serif\">\n<p style=\"font-size:larger\">{lead}{gap}{}</p>\n",
        file.tag,
        file.direction.as_str(),
        sentence.expiry
    );
    if purpose == Purpose::Transaction {
        html += &format!("<p>{}: {{{{ amount }}}}<br>\n{}: {{{{ payee }}}}", email.amount, email.payee);
        html +=
            &format!("{{% if reference %}}<br>\n{}: {{{{ reference }}}}{{% endif %}}</p>\n", email.reference);
    }
    html + &format!("<p>{}</p>\n<p>{}</p>\n</body>\n</html>\n", sentence.never_share, email.unrequested)
}

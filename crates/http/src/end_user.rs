//! The sentence an app may show to the person in front of it, in a few languages. It never tells a stranger more
//! than that person may know.

/// What there is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// The app or the server did something wrong.
    Ours,
    /// The code is wrong.
    WrongCode,
    /// The code is too old.
    Expired,
    /// No tries are left.
    NoTriesLeft,
    /// The code is of no use any more.
    NoLonger,
    /// Wait.
    Wait,
    /// Only support helps.
    Blocked,
    /// Nothing can be sent there.
    CannotSend,
    /// The number or address is wrong.
    WrongAddress,
}

/// The languages there are; English is what everybody else gets.
const LANGUAGES: [&str; 5] = ["en", "de", "fr", "es", "pl"];

impl Word {
    /// The sentence in the nearest language to a tag (BCP 47) or an `Accept-Language` header, and that language.
    pub(crate) fn say(self, wish: Option<&str>) -> (&'static str, &'static str) {
        let at = wish.map_or(0, nearest);
        (LANGUAGES[at], self.sentences()[at])
    }

    const fn sentences(self) -> [&'static str; 5] {
        match self {
            Self::Ours => [
                "Something went wrong. Please try again later.",
                "Etwas ist schiefgegangen. Bitte versuchen Sie es später noch einmal.",
                "Une erreur est survenue. Veuillez réessayer plus tard.",
                "Algo ha salido mal. Inténtelo de nuevo más tarde.",
                "Coś poszło nie tak. Spróbuj ponownie później.",
            ],
            Self::WrongCode => [
                "This code is not correct. Please check it and try again.",
                "Dieser Code ist nicht richtig. Bitte prüfen Sie ihn und versuchen Sie es noch einmal.",
                "Ce code n’est pas correct. Vérifiez-le et réessayez.",
                "Este código no es correcto. Compruébelo e inténtelo de nuevo.",
                "Ten kod jest nieprawidłowy. Sprawdź go i spróbuj ponownie.",
            ],
            Self::Expired => [
                "This code has expired. Please request a new one.",
                "Dieser Code ist abgelaufen. Bitte fordern Sie einen neuen an.",
                "Ce code a expiré. Demandez-en un nouveau.",
                "Este código ha caducado. Solicite uno nuevo.",
                "Ten kod wygasł. Poproś o nowy.",
            ],
            Self::NoTriesLeft => [
                "Too many wrong codes. Please request a new one.",
                "Zu viele falsche Codes. Bitte fordern Sie einen neuen an.",
                "Trop de codes erronés. Demandez-en un nouveau.",
                "Demasiados códigos incorrectos. Solicite uno nuevo.",
                "Zbyt wiele błędnych kodów. Poproś o nowy.",
            ],
            Self::NoLonger => [
                "This code can no longer be used. Please start again.",
                "Dieser Code gilt nicht mehr. Bitte beginnen Sie von vorn.",
                "Ce code n’est plus utilisable. Veuillez recommencer.",
                "Este código ya no se puede usar. Empiece de nuevo.",
                "Tego kodu nie można już użyć. Zacznij od nowa.",
            ],
            Self::Wait => [
                "Please wait a moment before you try again.",
                "Bitte warten Sie einen Moment, bevor Sie es noch einmal versuchen.",
                "Veuillez patienter un instant avant de réessayer.",
                "Espere un momento antes de volver a intentarlo.",
                "Odczekaj chwilę, zanim spróbujesz ponownie.",
            ],
            Self::Blocked => [
                "This is not possible at the moment. Please contact support.",
                "Das ist im Moment nicht möglich. Bitte wenden Sie sich an den Support.",
                "Ce n’est pas possible pour le moment. Contactez l’assistance.",
                "No es posible en este momento. Póngase en contacto con el servicio de ayuda.",
                "Obecnie nie jest to możliwe. Skontaktuj się z pomocą techniczną.",
            ],
            Self::CannotSend => [
                "We cannot send a code there. Please use another way.",
                "Dorthin können wir keinen Code senden. Bitte wählen Sie einen anderen Weg.",
                "Impossible d’envoyer un code à cette adresse. Choisissez un autre moyen.",
                "No podemos enviar un código ahí. Utilice otra vía.",
                "Nie możemy wysłać tam kodu. Wybierz inny sposób.",
            ],
            Self::WrongAddress => [
                "This phone number or email address is not valid. Please check it.",
                "Diese Telefonnummer oder E-Mail-Adresse ist nicht gültig. Bitte prüfen Sie sie.",
                "Ce numéro de téléphone ou cette adresse e-mail n’est pas valide. Vérifiez-le.",
                "Este número de teléfono o correo electrónico no es válido. Compruébelo.",
                "Ten numer telefonu lub adres e-mail jest nieprawidłowy. Sprawdź go.",
            ],
        }
    }
}

/// The first wished language we have. Weights are not weighed: people list what they want first.
fn nearest(wish: &str) -> usize {
    let primary =
        |tag: &str| tag.split(['-', '_', ';']).next().unwrap_or_default().trim().to_ascii_lowercase();
    let known = |tag: &str| LANGUAGES.iter().position(|known| *known == primary(tag));
    wish.split(',').take(10).find_map(known).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_language_we_have_is_used() {
        for (wish, expected) in [
            (None, "en"),
            (Some("pl-PL"), "pl"),
            (Some("ja, de;q=0.8, en"), "de"),
            (Some("zz"), "en"),
            (Some(""), "en"),
        ] {
            assert_eq!(Word::Wait.say(wish).0, expected, "{wish:?}");
        }
    }
}

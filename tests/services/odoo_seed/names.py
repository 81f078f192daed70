"""Names, places and telephone numbers of the countries that the seed's customers live in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Country:
    code: str
    language: str
    companies: tuple[str, ...]
    given: tuple[str, ...]
    family: tuple[str, ...]
    cities: tuple[tuple[str, str], ...]
    streets: tuple[str, ...]
    domain: str
    phones: tuple[str, str]
    """The same kind of number as dialled at home and from abroad; # is a digit."""


COUNTRIES = (
    Country(
        "GR", "el_GR",
        ("Ελληνικά Έλαια Α.Ε.", "Παπαδόπουλος & Υιοί Ο.Ε.", "Ναυτιλιακή Αιγαίου Ε.Π.Ε.",
         "Καφεκοπτεία Λουμίδη", "Θεσσαλικές Κατασκευές ΑΒΕΕ", "Ιατρικά Είδη Ωμέγα"),
        ("Ελένη", "Γιώργος", "Άννα-Μαρία", "Κωνσταντίνος", "Ζωή", "Οδυσσέας"),
        ("Παπαδοπούλου", "Αγγελόπουλος", "Μακρή", "Χατζηγιάννης", "Οικονόμου", "Ξενάκη"),
        (("Αθήνα", "105 57"), ("Θεσσαλονίκη", "546 24"), ("Ηράκλειο", "712 02")),
        ("Ερμού", "Λεωφόρος Βασιλίσσης Σοφίας", "Τσιμισκή"),
        "example.gr", ("21# ### ####", "+30 21# ### ####"),
    ),
    Country(
        "PL", "pl_PL",
        ("Zakłady Mięsne Żółw Sp. z o.o.", "Przędzalnia Łódź S.A.", "Księgarnia Ćma",
         "Gęślarz i Wspólnicy", "Śląskie Huty Szkła", "Piekarnia Pod Dębem"),
        ("Łukasz", "Małgorzata", "Grażyna", "Stanisław", "Józef", "Żaneta"),
        ("Wiśniewska", "Kowalczyk", "Źrebiec", "Dąbrowski", "Nowak-Święcicka", "Szczęsny"),
        (("Łódź", "90-001"), ("Kraków", "31-042"), ("Gdańsk", "80-831")),
        ("ul. Piotrkowska", "al. Jerozolimskie", "ul. Świętego Jana"),
        "example.pl", ("60# ### ###", "+48 60# ### ###"),
    ),
    Country(
        "RU", "ru_RU",
        ("ООО «Ромашка»", "ЗАО «Северный ветер»", "Ёлочные игрушки и Ко",
         "ИП Щукин", "Уральский завод «Прогресс»", "ООО «Объём»"),
        ("Наталья", "Дмитрий", "Ольга", "Фёдор", "Юлия", "Пётр"),
        ("Смирнова", "Кузнецов", "Щербакова", "Жуковский", "Королёва", "Чайковский"),
        (("Москва", "101000"), ("Санкт-Петербург", "191025"), ("Екатеринбург", "620014")),
        ("ул. Тверская", "Невский проспект", "ул. Ленина"),
        "example.ru", ("8 (495) ###-##-##", "+7 495 ###-##-##"),
    ),
    Country(
        "SI", "sl_SI",
        ("Žito Štajerska d.o.o.", "Čebelarstvo Noč", "Kovinarstvo Jurčič s.p.",
         "Pekarna Brežice d.d.", "Šport Triglav", "Založba Mladi čriček"),
        ("Špela", "Matjaž", "Žiga", "Urška", "Tjaša", "Črt"),
        ("Novak", "Kovačič", "Žagar", "Zupančič", "Hočevar", "Širca"),
        (("Ljubljana", "1000"), ("Maribor", "2000"), ("Škofja Loka", "4220")),
        ("Slovenska cesta", "Čopova ulica", "Trg svobode"),
        "example.si", ("01 ### ## ##", "+386 1 ### ## ##"),
    ),
    Country(
        "IR", "fa_IR",
        ("شرکت فرش پارس", "بازرگانی گیلان", "صنایع غذایی سپاس",
         "کتاب‌فروشی نیما", "داروسازی رازی", "گروه مهندسی پژواک"),
        ("زهرا", "امیرحسین", "نرگس", "کیوان", "پریسا", "محمدرضا"),
        ("حسینی", "کریمی‌نژاد", "رضایی", "گلپایگانی", "یزدانی", "ژاله‌پور"),
        (("تهران", "۱۱۳۶۹"), ("اصفهان", "81465"), ("شیراز", "71348")),
        ("خیابان ولیعصر", "خیابان چهارباغ", "بلوار زند"),
        "example.ir", ("021 #### ####", "+98 21 #### ####"),
    ),
    Country(
        "DE", "",
        ("Müller & Söhne GmbH", "Bäckerei Weiß", "Straßenbau Überlingen AG",
         "Käse-Kontor Allgäu", "Elektro Großmann e.K.", "O'Brien Import GmbH"),
        ("Jürgen", "Käthe", "Björn", "Anneliese", "Sören", "Heike"),
        ("Müller", "Groß", "von der Heide", "Schäfer", "Weiß", "Yıldırım"),
        (("Köln", "50667"), ("München", "80331"), ("Lübeck", "23552")),
        ("Königsallee", "Schloßstraße", "Am Großen Markt"),
        "example.de", ("030 ########", "+49 (30) ########"),
    ),
    Country(
        "FR", "",
        ("L'Atelier d'Orée", "Boulangerie Noël & Cie", "Société Générale d'Œufs",
         "Garçon Manqué SARL", "Les Frères L'Hôte", "Crêperie d'Ys 🥞"),
        ("Zoé", "François", "Anaïs", "Jean-Noël", "Chloé", "Loïc"),
        ("D'Artagnan", "Lefèvre", "L'Hôpital", "Besançon", "Le Goff", "Crêtois"),
        (("Lyon", "69001"), ("Saint-Étienne", "42000"), ("L'Haÿ-les-Roses", "94240")),
        ("rue de l'Abbé-Grégoire", "place d'Arc", "quai des Célestins"),
        "example.fr", ("01 ## ## ## ##", "+33 1 ## ## ## ##"),
    ),
    Country(
        "GB", "",
        ("O'Neill & D'Souza Ltd", "St. John's Wood Joinery", "Rowntree's \"Best\" Tea",
         "Pets 🐾 & Co", "R. & R. <Retail>", "Shepherd's Bush Cycles"),
        ("Siobhán", "Mary-Kate", "Zoë", "Alastair", "Nia", "Rhys"),
        ("O'Neill", "D'Souza", "MacDonald", "St. John", "ap Gwilym", "Smith"),
        (("London", "SW1A 1AA"), ("Edinburgh", "EH1 1YZ"), ("King's Lynn", "PE30 1JN")),
        ("King's Road", "St. Mary's Street", "High Street"),
        "example.co.uk", ("020 #### ####", "+44 20 #### ####"),
    ),
    Country(
        "US", "en_US",
        ("Acme Rockets, Inc.", "Null & Void LLC", "Bob's Burgers", "Smile 😀 Dental",
         'Trader "Tim" Co.', "42 North"),
        ("Scarlett", "Tyrone", "Mary Ann", "José", "Kim", "True"),
        ("Null", "O'Connor", "Nguyễn", "van Dyke", "Zhang", "Washington Jr."),
        (("Springfield", "62701"), ("San José", "95113"), ("St. Paul", "55102")),
        ("Main St", "5th Ave", "Martin Luther King Jr. Blvd"),
        "example.com", ("(415) 555-01##", "+1 415-555-01##"),
    ),
)  # fmt: skip

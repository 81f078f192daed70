"""Poland."""

from __future__ import annotations

from crm_files.demo.language import Language, by_endings, cities, plain, words
from crm_files.demo.vat import polish

POLISH = Language(
    tag="pl-PL",
    country="PL",
    currency="PLN",
    share=0.2,
    men=words(
        "Jan Piotr Krzysztof Andrzej Tomasz Paweł Michał Marcin Łukasz Grzegorz Marek Jacek "
        "Adam Wojciech Rafał Zbigniew Jerzy Tadeusz Kamil Mateusz Dariusz Maciej Jakub Szymon "
        "Bartosz Sławomir Mirosław Kazimierz Stanisław Henryk Ryszard Radosław Przemysław Dawid "
        "Artur Leszek Bogdan Zdzisław Filip Ignacy Wiesław"
    ),
    women=words(
        "Anna Maria Katarzyna Małgorzata Agnieszka Krystyna Barbara Ewa Elżbieta Zofia Janina "
        "Teresa Joanna Magdalena Monika Jadwiga Danuta Irena Halina Helena Beata Aleksandra "
        "Marta Dorota Łucja Grażyna Jolanta Iwona Urszula Karolina Sylwia Bożena Wanda Renata "
        "Weronika Paulina Natalia Zuzanna Hanna Kinga Róża"
    ),
    families=words(
        "Nowak Kowalski Wiśniewski Wójcik Kowalczyk Kamiński Lewandowski Zieliński Szymański "
        "Woźniak Dąbrowski Kozłowski Jankowski Mazur Kwiatkowski Wojciechowski Krawczyk "
        "Kaczmarek Piotrowski Grabowski Zając Pawłowski Michalski Król Wieczorek Jabłoński "
        "Wróbel Nowakowski Majewski Stępień Olszewski Malinowski Jaworski Adamczyk Dudek Pawlak "
        "Górski Nowicki Sikora Walczak Witkowski Rutkowski Baran Michalak Szewczyk Ostrowski "
        "Tomaszewski Pietrzak Zalewski Wróblewski Marciniak Jasiński Bąk Sadowski Duda Zawadzki "
        "Łukasiewicz Chmielewski Włodarczyk Borkowski Sokołowski Czarnecki Łoś Gołąb"
    ),
    feminine=by_endings(("ski", "ska"), ("cki", "cka"), ("dzki", "dzka")),
    latin=plain({"ł": "l"}),
    places=cities(
        """
        Warszawa|mazowieckie|0#-###|+48 22 ### ## ##
        Kraków|małopolskie|31-###|+48 12 ### ## ##
        Wrocław|dolnośląskie|50-###|+48 71 ### ## ##
        Poznań|wielkopolskie|61-###|+48 61 ### ## ##
        Gdańsk|pomorskie|80-###|+48 58 ### ## ##
        Łódź|łódzkie|90-###|+48 42 ### ## ##
        Katowice|śląskie|40-###|+48 32 ### ## ##
        Lublin|lubelskie|20-###|+48 81 ### ## ##
        Szczecin|zachodniopomorskie|70-###|+48 91 ### ## ##
        Białystok|podlaskie|15-###|+48 85 ### ## ##
        Zakopane|małopolskie|34-500|+48 18 ### ## ##
        Bydgoszcz|kujawsko-pomorskie|85-###|+48 52 ### ## ##
        """
    ),
    streets=words(
        "Długa, Polna, Leśna, Słoneczna, Krótka, Szkolna, Ogrodowa, Lipowa, Brzozowa, Łąkowa, "
        "Kościelna, Piotrkowska, Krupówki, Mickiewicza, Słowackiego, Sienkiewicza, Kopernika, "
        "Piłsudskiego, Świętojańska, Grunwaldzka, Marszałkowska, Chłodna, Mostowa, Zielona"
    ),
    address="ul. {street} {number}",
    mobile="+48 60# ### ###",
    vat=polish,
    trades=words(
        "Pensjonat, Hotel, Restauracja, Kawiarnia, Piekarnia, Cukiernia, Sklep, Bistro, Zajazd, "
        "Delikatesy, Karczma, Hurtownia"
    ),
    brands=words(
        "Pod Różą, Pod Łosiem, Złoty Kłos, Bursztyn, Giewont, Morskie Oko, Pod Dębem, "
        "Słoneczko, Dworek, U Zosi, Stary Młyn, Biały Orzeł, Pod Lipami, Wisła, Bałtyk, Zielona "
        "Gęś, Podkowa, Kuźnia, Perła, Jaskółka, Żuraw, Sosnowy Bór, Złota Rybka, Czarny Kot, "
        "Rynek, Kominek, Wrzos, Tatry, Syrena, Echo"
    ),
    forms=words("Sp. z o.o., S.A., Sp.j., Sp.k."),
    titles=words("Właściciel, Zaopatrzenie, Księgowość, Recepcja, Kierownik, Szef kuchni"),
    owners=("tomasz",),
)

"""Slovenia."""

from __future__ import annotations

from crm_files.demo.language import Language, cities, plain, same, words
from crm_files.demo.vat import slovenian

SLOVENIAN = Language(
    tag="sl-SI",
    country="SI",
    currency="EUR",
    share=0.1,
    men=words(
        "Franc Janez Marko Andrej Ivan Anton Jože Luka Matej Peter Tomaž Miha Marjan Bojan Jure "
        "Nejc Rok Matjaž Aleš Boštjan Gregor Igor Dejan Uroš Žiga Žan Blaž Gašper Jaka Simon "
        "Stanislav Branko Milan Drago Robert David Primož Klemen Anže Tadej Črtomir"
    ),
    women=words(
        "Marija Ana Maja Irena Mojca Mateja Nina Nataša Andreja Barbara Katja Petra Jožica Anja "
        "Sonja Tatjana Katarina Milena Tanja Sara Alenka Eva Tina Vesna Martina Majda Urška "
        "Špela Frančiška Helena Nika Tjaša Darja Simona Lara Neža Ema Živa Zala Jerneja Polona"
    ),
    families=words(
        "Novak Horvat Kovačič Krajnc Zupančič Potočnik Kovač Mlakar Kos Vidmar Golob Turk Božič "
        "Kralj Korošec Zupan Bizjak Hribar Kotnik Rozman Kavčič Oblak Petek Žagar Kastelic "
        "Hočevar Košir Koren Zajc Klemenčič Medved Knez Pirc Zupanc Hrovat Petrič Kuhar Lah "
        "Zorko Uršič Babič Jerman Sever Kramberger Furlan Lesjak Pavlič Erjavec Jug Logar "
        "Dolenc Tomažič Pečnik Ribič Rupnik Šarić Čuk Žnidaršič Šuštar Perko Bogataj Mavrič "
        "Cerar Jenko"
    ),
    feminine=same,
    latin=plain({}),
    places=cities(
        """
        Ljubljana|Osrednjeslovenska|1000|+386 1 4## ## ##
        Maribor|Podravska|2000|+386 2 2## ## ##
        Celje|Savinjska|3000|+386 3 4## ## ##
        Kranj|Gorenjska|4000|+386 4 2## ## ##
        Koper|Obalno-kraška|6000|+386 5 6## ## ##
        Piran|Obalno-kraška|6330|+386 5 6## ## ##
        Novo mesto|Jugovzhodna|8000|+386 7 3## ## ##
        Bled|Gorenjska|4260|+386 4 5## ## ##
        Nova Gorica|Goriška|5000|+386 5 3## ## ##
        Ptuj|Podravska|2250|+386 2 7## ## ##
        """
    ),
    streets=words(
        "Čopova ulica, Slovenska cesta, Trubarjeva cesta, Cankarjeva ulica, Prešernova cesta, "
        "Dunajska cesta, Celovška cesta, Tržaška cesta, Šmartinska cesta, Glavni trg, Stari "
        "trg, Gosposka ulica, Koroška cesta, Partizanska cesta, Župančičeva ulica, Gregorčičeva "
        "ulica, Vodnikova cesta, Kidričeva ulica, Ljubljanska cesta, Obala, Vrtna ulica, Lipova "
        "ulica, Šolska ulica, Pod gradom"
    ),
    address="{street} {number}",
    mobile="+386 41 ### ###",
    vat=slovenian,
    trades=words(
        "Gostilna, Hotel, Kavarna, Pekarna, Slaščičarna, Restavracija, Penzion, Trgovina, "
        "Vinoteka, Kmetija, Bistro, Okrepčevalnica"
    ),
    brands=words(
        "Pri Žogi, Pri Lipi, Triglav, Zlatorog, Jadran, Soča, Pri Mostu, Pod Gradom, Zeleni "
        "Gaj, Labod, Krona, Sončnica, Pri Kovaču, Lovec, Mlinar, Pri Jezeru, Galeb, Murka, "
        "Planika, Stara Hiša, Ajda, Pri Zvonu, Čebelica, Bor, Sidro, Škorpijon, Pri Ribiču, "
        "Vila Rožna, Medved, Kranjec"
    ),
    forms=words("d.o.o., d.d., s.p."),
    titles=words("Direktor, Nabava, Računovodstvo, Recepcija, Vodja, Kuhar"),
    owners=("maja",),
)

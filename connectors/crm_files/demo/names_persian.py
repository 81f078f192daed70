"""Iran; names stand with their Latin spelling, which the script's missing vowels do not give."""

from __future__ import annotations

from crm_files.demo.language import Language, cities, same, words
from crm_files.demo.vat import persian

_MEN = words(
    "محمد mohammad علی ali حسین hossein رضا reza مهدی mehdi امیر amir حسن hassan احمد ahmad "
    "سعید saeed مجید majid حمید hamid کامران kamran بهرام bahram فرهاد farhad کیوان keyvan آرش "
    "arash بابک babak داریوش dariush کوروش kourosh سیاوش siavash شهرام shahram نادر nader پرویز "
    "parviz جواد javad مسعود masoud محسن mohsen ناصر naser یوسف yousef ابراهیم ebrahim اسماعیل "
    "esmail عباس abbas قاسم ghasem کریم karim منصور mansour هوشنگ houshang ایرج iraj فریدون "
    "fereydoun پیمان peyman سامان saman نیما nima پویا pouya"
)
_WOMEN = words(
    "مریم maryam فاطمه fatemeh زهرا zahra سارا sara نرگس narges لیلا leila مینا mina شیرین "
    "shirin پریسا parisa نسرین nasrin مهناز mahnaz فریبا fariba شهلا shahla پروین parvin سیمین "
    "simin آزاده azadeh نازنین nazanin الهام elham سمیرا samira نگار negar مهسا mahsa شقایق "
    "shaghayegh ترانه taraneh گلناز golnaz یاسمن yasaman ندا neda رویا roya سپیده sepideh هانیه "
    "hanieh مونا mona آیدا ayda بهاره bahareh پگاه pegah ژاله zhaleh ستاره setareh سحر sahar "
    "شیوا shiva طاهره tahereh فرزانه farzaneh کیمیا kimia هما homa"
)
_FAMILIES = words(
    "محمدی mohammadi احمدی ahmadi حسینی hosseini رضایی rezaei کریمی karimi موسوی mousavi جعفری "
    "jafari صادقی sadeghi رحیمی rahimi هاشمی hashemi ابراهیمی ebrahimi نجفی najafi قاسمی "
    "ghasemi اکبری akbari باقری bagheri شریفی sharifi عباسی abbasi سلیمانی soleimani کاظمی "
    "kazemi رستمی rostami نوری nouri مرادی moradi حیدری heydari اسدی asadi یوسفی yousefi زارعی "
    "zarei امینی amini قربانی ghorbani طاهری taheri سعیدی saeedi فرهادی farhadi تهرانی tehrani "
    "شیرازی shirazi اصفهانی esfahani تبریزی tabrizi کرمانی kermani یزدی yazdi مشهدی mashhadi "
    "بهرامی bahrami خسروی khosravi جمشیدی jamshidi فروغی foroughi دهقان dehghan کیانی kiani "
    "پهلوان pahlavan نیکو nikou بهشتی beheshti گلستانی golestani صفوی safavi منصوری mansouri "
    "حکیمی hakimi جهانگیری jahangiri پارسا parsa آریان arian داوودی davoudi فلاحی fallahi ملکی "
    "maleki نظری nazari وحیدی vahidi همتی hemmati میرزایی mirzaei شمس shams کاشانی kashani"
)
_LATIN = dict(
    zip(
        _MEN[::2] + _WOMEN[::2] + _FAMILIES[::2],
        _MEN[1::2] + _WOMEN[1::2] + _FAMILIES[1::2],
        strict=True,
    )
)

PERSIAN = Language(
    tag="fa-IR",
    country="IR",
    currency="EUR",
    share=0.12,
    men=_MEN[::2],
    women=_WOMEN[::2],
    families=_FAMILIES[::2],
    feminine=same,
    latin=lambda name: _LATIN.get(name, ""),
    places=cities(
        """
        تهران|تهران|1#########|+98 21 8#######
        اصفهان|اصفهان|81########|+98 31 3#######
        شیراز|فارس|71########|+98 71 3#######
        مشهد|خراسان رضوی|91########|+98 51 3#######
        تبریز|آذربایجان شرقی|51########|+98 41 3#######
        کرج|البرز|31########|+98 26 3#######
        یزد|یزد|89########|+98 35 3#######
        کرمان|کرمان|76########|+98 34 3#######
        رشت|گیلان|41########|+98 13 3#######
        اهواز|خوزستان|61########|+98 61 3#######
        """
    ),
    streets=tuple(
        f"خیابان {name}"
        for name in words(
            "ولیعصر, انقلاب, آزادی, حافظ, سعدی, فردوسی, مولوی, شریعتی, مطهری, بهشتی, طالقانی, "
            "کارگر, جمهوری, پاسداران, نیاوران, میرداماد, چهارباغ, زند, امام رضا, شهریار, "
            "گلستان, بهار, لاله, نیلوفر"
        )
    ),
    address="{street}، پلاک {number}",
    mobile="+98 912 ### ####",
    vat=persian,
    trades=words(
        "هتل, رستوران, کافه, نانوایی, فروشگاه, شیرینی‌سرا, مهمان‌سرا, چای‌خانه, سفره‌خانه, "
        "بازرگانی, سوپرمارکت, پخش"
    ),
    brands=words(
        "کویر, پارسیان, زعفران, آفتاب, دریا, نسیم, بهارستان, گل سرخ, شب‌های تهران, باغ بهشت, "
        "سپیدار, سرو, مروارید, ستاره, کاروان, ایران‌زمین, البرز, زاگرس, خلیج فارس, یاس, انار, "
        "پسته, سیمرغ, هفت‌خوان, نقش جهان, ارگ, ترنج, فیروزه, نارنج, چشمه"
    ),
    forms=words("سهامی خاص, مسئولیت محدود"),
    titles=words("مدیر, خرید, حسابداری, پذیرش, سرآشپز, انبار"),
    owners=("maryam",),
    digits="۰۱۲۳۴۵۶۷۸۹",
)

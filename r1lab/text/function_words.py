"""Small words and letters by which languages of one script are told apart.

They are the articles, pronouns, prepositions, connectives and first numbers that make up a third to a half of running
text in their language, without those of one letter, which in mathematics are names. A word may stand in several lists:
what counts is which list a sentence agrees with most. Languages of one script only meet the lists of that script.
"""

from __future__ import annotations

FUNCTION_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the of and to in is that it for as was with be by on are this at from or have an they which one "
        "you were he us am her all she there would their we him been has when who will more no if out so "
        "said what up its about into than them can only other some could these two may then do first any my "
        "now such like our over me even after also did many before must through where much your how well "
        "because each just those own find let thus hence therefore suppose given both between same either "
        "not but since need get does should too again three four under another whose while why",
        "de": "der die das und ist nicht ein eine einen einem einer eines zu von mit den dem des auf für im sich "
        "auch als an es wir ich sie er aus wenn dann also bei nach wie so aber oder werden wird sind war "
        "haben hat kann muss durch noch nur über zum zur daher weil damit dass alle gibt man uns da um in "
        "am vom beim jede jeder dieser diese dieses zwischen ihr sein seine zwei drei vier vor seit ohne "
        "gegen dort hier kein keine ihre ihrem mehr wo",
        "fr": "le la les un une des du de et est en que qui dans pour pas sur au aux par avec ce cette ces il "
        "elle on nous vous je ne se son sa ses plus ou où donc alors si mais comme sont être avoir fait "
        "tout tous ainsi puis car leur leurs chaque soit deux entre même lui ils ont sans parce quand aussi "
        "trois quatre après avant depuis pendant vers très bien peut faut cela dont chez",
        "es": "el la los las un una unos de del en que es por para con no se su sus al lo como más pero este esta "
        "esto son fue ser ha hay entonces si porque cada cuando donde tiene tenemos así también sobre entre "
        "nos hasta sin muy ya sea está están todo todos otro otra nuestro le luego dos tres cuatro después "
        "antes durante desde bien puede debe nosotros ni",
        "it": "il lo la gli le un una di del della dei delle degli che per con non si su al alla allo sono come "
        "più ma questo questa quindi se allora perché ogni quando dove ha hanno abbiamo anche tra fra fino "
        "nel nella dal dalla ci cui poi essere ed in nei sul sulla suo sua loro tutti due tre quattro dopo "
        "prima durante molto può deve noi quale dunque cioè",
        "pt": "os as um uma de do da dos das em no na nos nas que por para com não se seu sua ao aos mais mas "
        "como este esta isso são foi ser tem então portanto porque cada quando onde também até entre pelo "
        "pela temos já está sem ou sobre todos ele ela eles muito nosso dois duas três quatro depois antes "
        "durante desde pode deve nós nem pelos pelas",
        "nl": "de het een en van is dat die in te niet op aan met voor er zijn was we ik je hij ze als dan dus "
        "maar om ook bij naar uit door nog wel kan moet worden wordt hebben heeft of deze dit elke omdat "
        "daarom geen zo over ons tot tussen alle hun zoals twee drie vier na voordat heel zonder tegen hier "
        "daar waar mag",
        "sv": "och att det är som en ett på av för med inte den till har vi jag om så men kan från eller när då "
        "också alla var ska måste detta dessa därför eftersom varje blir sig de vid mellan han hon man hur "
        "två tre fyra efter före under utan mot här där bara mer",
        "pl": "na się nie do to że jest jak po co tak za od ale czy dla przez więc lub są być ma który która "
        "które tego tym oraz jeśli wtedy ponieważ każdy każda mamy też tylko może już przy ze jego jej gdy "
        "dwa trzy cztery przed pod bez gdzie tu tam nad więcej",
        "tr": "ve bir bu için ile da de ne gibi daha çok olarak olan var değil mi ise ama sonra kadar her eğer "
        "çünkü biz ben şu ya veya yani olur ki en olduğu tüm önce göre iki üç dört altı kendi şey böyle "
        "nasıl neden",
        "vi": "là và của có không được một các cho với này để trong những người đã vì nên thì ta khi nếu như từ "
        "đó do ra vào mỗi bằng còn lại cũng chúng nhau trên sau hai bốn trước dưới rất hoặc phải cùng",
        "id": "yang dan di ini itu dengan untuk tidak dari dalam pada ke adalah juga akan atau kita karena jadi "
        "maka jika bisa ada sebagai oleh lebih setiap kami saya sudah telah dapat kemudian dua tiga empat "
        "sebelum setelah antara tanpa sangat harus tetapi",
        "ru": "не на что по как это из за то но мы для от так же его она они если тогда или был все есть при где "
        "чтобы потому значит каждый только уже быть может он вы их мне нет ли до ещё было следовательно "
        "поэтому два три четыре после под без здесь там очень",
        "uk": "не на що по як це із за то але ми для від так до його вона вони якщо тоді або був всі при де щоб "
        "тому значить кожен тільки вже бути може та ще він ви їх немає було отже два три чотири після під "
        "без тут там дуже",
    }.items()
}

LETTERS: dict[str, str] = {
    "en": "",
    "de": "äöüß",
    "fr": "àâæçèéêëîïôùûüÿœ",
    "es": "áéíñóúü",
    "it": "àèéìíîòóùú",
    "pt": "àáâãçéêíóôõúü",
    "nl": "áèéëïóöü",
    "sv": "åäéö",
    "pl": "ąćęłńóśźż",
    "tr": "âçğîıöşûü",
    "vi": "àáâãèéêìíòóôõùúýăđĩũơưạ-ỹ",
    "id": "é",
    "ru": "а-яё",
    "uk": "а-щьюяєіїґ",
}
"""Letters beyond a to z of each language: a word with another one is not of it."""

SHORT_WORDS = frozenset(word for words in FUNCTION_WORDS.values() for word in words if len(word) == 2)
"""Two letters that are a word rather than a name: "is", "of"; not "ab", "kg"."""

"""Lines that stand in articles but are not of them, in the languages we meet."""

from __future__ import annotations

import re

END_MATTER = re.compile(
    r"^[\W_]{0,4}(?:"
    r"related\b|read (?:more|next|also|the full)|more (?:from|on|stories|news|in|about|articles|like)\b"
    r"|see also|also (?:read|see|on)\b|recommended|you (?:may|might) (?:also )?(?:like|be interested|enjoy)"
    r"|\d*\s*comments?\b(?:\W|$)|leave a (?:reply|comment)|join (?:the|our) (?:conversation|discussion|comment)"
    r"|share (?:this|on|via|:|with)|about the author|latest (?:news|stories|posts|articles|from)"
    r"|(?:most )?(?:popular|read|viewed|shared)(?: (?:posts|stories|articles|news|now))?$|trending"
    r"|tags?\s*:|filed under|posted in|topics?\s*:|sign up|subscribe|newsletter|follow (?:us|me)|what to read next|up next"
    r"|previous (?:post|article|story)|next (?:post|article|story)|advertisement$|sponsored"
    r"|mehr (?:zum thema|aus|von|zu)|lesen sie auch|das könnte (?:sie|dich)|kommentare?\b|auch interessant"
    r"|weitere (?:artikel|meldungen|nachrichten|themen)|ähnliche|teilen|schlagworte|verwandte|zum thema"
    r"|(?:à )?lire aussi|sur le même (?:sujet|thème)|commentaires?\b|partager|à voir aussi|articles? (?:similaires|liés)"
    r"|lea también|te puede interesar|comentarios?\b|noticias relacionadas|compartir|más (?:noticias|información)"
    r"|leggi anche|commenti\b|potrebbe interessarti|condividi|leia (?:também|mais)|veja também|compartilhe"
    r"|читайте также|комментари[ий]|по теме|похожие|другие новости|поделиться|теги|смотрите также|самое читаемое|последние новости|новости партнеров"
    r"|czytaj (?:także|również|też|więcej)|komentarz[ey]|zobacz (?:także|też|również)|podziel się|polecamy|powiązane|przeczytaj"
    r"|διαβάστε (?:επίσης|ακόμα|και)|σχόλια|σχετικά|δείτε (?:επίσης|ακόμα)|κοινοποίηση"
    r"|läs (?:mer|också|även)|kommentarer|dela|les også|læs også|lue myös|lees ook|baca juga|okuyun"
    r"|相关(?:新闻|阅读|文章|链接|专题|推荐|报道|资讯|内容|搜索|标签|视频)|相關(?:新聞|閱讀|文章|連結|報導|標籤|標簽|資訊)"
    r"|(?:推荐|延伸|延展|扩展|更多|热门|精彩|编辑|猜你|大家都在|今日|最新|热点|本文)(?:阅读|推荐|新闻|喜欢|看|热点|文章|资讯|内容|标签|视频|评论)"
    r"|(?:推薦|延伸|更多|熱門|精彩|其他|最新)\S{0,4}(?:閱讀|推薦|新聞|文章|資訊)|网友评论|我要评论|发表评论|最新评论|网友跟帖|跟贴|評論|評分|留言"
    r"|版权(?:声明|所有|与免责)|免责声明|特别声明|郑重声明|分享(?:到|至|：|:|\|)|上一篇|下一篇|返回(?:首页|列表)|打印本页|【打印|关闭窗口|【?(?:字体|字号)"
    r"|关键[词字]|标签[:：]|關鍵字|热词|関連(?:記事|ニュース)|おすすめ|コメント|シェア"
    r")",
    re.I,
)
"""A short line like this opens the part behind the article."""

ASIDE = re.compile(
    r"^[\W_]{0,4}(?:read (?:more|next|also|the full)|see also|also (?:read|see|on)\b|more:|related:|recommended|advertisement$"
    r"|sponsored|sign up|subscribe|newsletter|follow (?:us|me)|share\b|trending|lesen sie|lire aussi|leggi anche|lea también"
    r"|leia|читайте также|czytaj|läs (?:mer|också|även)|baca juga|διαβάστε|mehr (?:zum|aus|von|zu)|teilen|partager|dela"
    r"|分享|更多|(?:推荐|延伸)阅读)",
    re.I,
)
"""An end-matter line that also stands between paragraphs; alone it ends nothing."""

RIGHTS = re.compile(
    r"(?:未经|未經|不得|严禁|嚴禁|禁止)\S{0,24}(?:转载|轉載|摘编|镜像|复制|使用)|版[权權]均?(?:属|归|屬|歸|所有)"
    r"|不代表(?:本|我|.{1,8})(?:网|网站|站|報|报|平台|公司|立场|觀點|观点|網)|与(?:本网|本站|\S{2,4}网)\S{0,4}无关"
    r"|(?:凡|如).{0,10}(?:注明|註明).{0,30}(?:来源|稿件|作品)|文责自负|仅供(?:参考|读者参考)|欢迎.{0,10}(?:投稿|来电|爆料)"
    r"|all rights reserved|may not be (?:published|reproduced|republished)|alle rechte vorbehalten|tous droits réservés"
    r"|все права защищены|wszelkie prawa zastrzeżone|todos los derechos reservados|tutti i diritti riservati"
    r"|empfohlener redaktioneller inhalt|externe[nr]? inhalt|einverstanden, dass mir|um eingebettete inhalte"
    r"|この記事.{0,12}転載",
    re.I,
)
"""Who may do what with the text: never a part of it. Dropped at the end and between."""

NOISE = re.compile(
    r"^[\W_]{0,4}(?:"
    r"(?:click|tap) (?:here|to)\b|sign up (?:for|to|here)|subscribe (?:to|now|for)|follow (?:us|me|\w+ on)\b|share this"
    r"|(?:©|copyright\b|\(c\)\s)|all rights reserved|advertisement\b|this (?:article|story|post) (?:was|is|has|may|contains) .{0,60}(?:affiliate|commission)"
    r"|(?:we|i) (?:may|might) (?:earn|receive|get) .{0,50}commission|enable javascript|your browser|this site uses"
    r"|download (?:our|the) .{0,20}app|watch(?: now)?:|related:|read more|read also|also read|see also|more:|story continues|continue reading|scroll (?:down|to)"
    r"|(?:lesen sie|lire aussi|leggi anche|lea también|leia também|читайте также|czytaj także|läs mer|läs också|baca juga|διαβάστε)\b"
    r"|(?:photo|image|picture|foto|bild|фото|credit|source|quelle|fot)s?\s*[:/©]"
    r"|(?:责任编辑|责编|编辑|校对|监制|制片|值班编辑|原标题|原標題|編輯|责任编缉|来源|稿源|本文来源|文章来源|图片来源|图源|资料图|出处)\s*[:：]"
    r"|[（(](?:责任?编辑?|编辑|实习编辑|责任编辑|本文来源|来源|文章来源|原标题|编校|完)[:：)）]"
    r"|(?:扫|掃)\S{0,6}(?:二维码|二維碼|码)|(?:欢迎|敬请|点击|长按|立即)?(?:关注|關注|加入|订阅|下载)\S{0,16}(?:公众号|微信|微博|客户端|APP|粉絲)|更多\S{0,20}(?:请|敬请|尽在|點擊|点击)"
    r"|(?:点击|點擊)(?:查看|进入|此处|图片|下一页|這裡)|(?:声明|聲明|免责|版权|特别声明|注|提示)[:：].{0,60}(?:转载|版权|不代表|侵权|仅供)"
    r"|[（(]?\d{4}[-/年.]\d{1,2}[-/月.]\d{1,2}日?\s*(?:\d{1,2}:\d{2}(?::\d{2})?)?[)）]?\s*(?:来源|來源|字号|我要评论|作者|$)"
    r"|(?:作者|记者|文|来源)[:：/]\s*\S{1,20}$|(?:已有|有)?\d*人?(?:参与|評論|评论)\s*$"
    r")",
    re.I,
)
"""A line like this is dropped where it stands."""

META = re.compile(
    r"(?:\b(?:19|20)\d\d\b.{0,40}(?:来源|來源|作者|编辑|出处|\bby\b|views|comments|reads)|^(?:by|von|par|por|di|av|от|автор)[: ]\s*\S+(?: \S+){0,4}$"
    r"|^(?:posted|published|updated|last updated|aktualisiert|veröffentlicht|publié|опубликовано|发布时间|发表时间|更新时间|時間|时间|日期).{0,60}$"
    r"|\d+\s*(?:min(?:ute)?s?)\s*read|阅读(?:量|数|次数)?[:：(（]?\s*\d+|浏览(?:次数|量)?[:：]?|点击(?:数|量|次数)?[:：])",
    re.I,
)
"""A short line like this tells when, who and how often."""

"""The posts that finews and the Hexo aggregator wrote, era by era, byte for byte.

Facts: the seeds and the two programs. The words are windows of two characters from the
bundled seeds, strung together by chance; each text holds a number of its own, so that a
test can tell which text it meets wherever it went.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from tests import site

MARK = re.compile(r"编号(\d{8})")
PICTURE = "https://dfscdn.dfcfw.com/download/D2463083413411530401{}_w404h931.jpg"
PROXY = "https://cors.zfour.workers.dev/?"
SPACER = '<p style="display:none;height:1px;overflow:hidden;"><br /></p>'
CHART = (
    '<!-- EM_StockImg_Start --><p style="text-align:center;">'
    '<a href="http://quote.eastmoney.com/unify/r/116.00700" data-code="00700|116|5" '
    'class="EmImageRemark" target="_blank"><img src="https://webquoteklinepic.eastmoney.com/'
    'GetPic.aspx?nid=116.00700&imageType=k&token=28dfeb41d35cc81d84b4664d7c23c49f&at=1" '
    'border="0" alt="K图 00700_0" width="578" height="276" /></a></p><!-- EM_StockImg_End -->'
)
MEDIA = (
    ("财联社", "cailianshe"), ("中国日报网", "zhongguoribaowang"), ("光明网", "guangmingwang"),
    ("重庆日报", "zhongqingribao"), ("证券时报·e公司", "zhengquanshibao·egongsi"),
    ("21世纪经济报道 21财经APP", "21shijijingjibaodao 21caijingAPP"),
    ("21世纪经济报道  南财理财通", "21shijijingjibaodao  nancailicaitong"),
    ("安信国际证券(香港)", "anxinguojizhengquan(xianggang)"), ("TechWeb", "TechWeb"),
    ("Techweb", "Techweb"), ("Career In 投行PEVC", "Career In touxingPEVC"), ("36氪", "36ke"),
    ("界面新闻", "jiemianxinwen"), ("上海证券报", "shanghaizhengquanbao"),
    ("a: b", "a: b"), ("e公司 #官微", "egongsi #guanwei"), ("2022", "2022"), ("", ""),
)  # fmt: skip
TITLES = (
    "{}", "{}", "{}：{}", "“{}” {}", "《{}》{}？", "{}涨3.5% 报71.32美元/桶", '外媒称"{}"来袭',
    "路径 C:\\Users\\{}", "{}\\n{}", "{}！", "Vue {{{{ {} }}}} {{% raw %}}", "{} # {}", "- {}",
    "yes: {}", "{}'s {}", "{}｜{}", "１１．２８{}",
)  # fmt: skip
SITES = (
    ("新媒体", "人人都是产品经理", "最新文章"), ("新媒体", "高科技行业门户", "新闻"),
    ("编程", "开源中国", "资讯"), ("编程", "Dockone", "周报"), ("新媒体", "金色财经", "快讯"),
    ("传统媒体", "IT之家", "[Naver](https://rsshub.app/naver)"),
)  # fmt: skip
_ROLLING = ("emnews", "东财滚动")


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One version of an article.

    Attributes:
        mark: The eight digits that only the text holds.
        brief: The eight digits that only the digest holds.
        digest: One sentence, all that the first versions wrote.
        html: The whole text.
    """

    title: str
    mark: str
    brief: str
    digest: str
    html: str
    medium: tuple[str, str]


@cache
def _windows() -> tuple[str, ...]:
    folder = Path(site.__file__).parent / "seeds"
    text = "\n".join(file.read_text("utf-8") for file in sorted(folder.glob("*.txt")))
    runs = re.findall("[\u4e00-\u9fff]{2,}", text)
    return tuple(sorted({run[at : at + 2] for run in runs for at in range(len(run) - 1)}))


def chinese_text(rng: Random, pairs: int) -> str:
    """Chinese of ``2 * pairs`` characters."""
    return "".join(rng.choices(_windows(), k=pairs))


def sentence(rng: Random, pairs: int) -> str:
    """Words with a comma or two and a full stop."""
    return "，".join(chinese_text(rng, pairs) for _ in range(rng.randint(1, 3))) + "。"


def story(rng: Random, number: int, *, body: int | None = None) -> Story:
    """A story of a length and a form by chance; ``body`` chooses one of the twelve forms."""
    mark, brief = f"{number:08d}", f"{90_000_000 + number:08d}"
    form = rng.choice(TITLES[:4] if rng.random() < 0.8 else TITLES)
    title = form.format(chinese_text(rng, rng.randint(4, 12)), chinese_text(rng, 3))
    digest = f"{sentence(rng, 9)}编号{brief}。"
    html = _body(rng, mark, title, rng.randrange(12) if body is None else body)
    return Story(
        title=title, mark=mark, brief=brief, digest=digest, html=html, medium=rng.choice(MEDIA)
    )


def _body(rng: Random, mark: str, title: str, form: int) -> str:
    marked = f"<p>编号{mark}，{sentence(rng, 20)}</p>"
    paragraphs = [marked, *(f"<p>{sentence(rng, 30)}</p>" for _ in range(rng.randint(6, 24)))]
    picture = f'<center><img src="{PICTURE.format(mark)}" alt="{chinese_text(rng, 2)}" /></center>'
    if form == 0:
        return f"<p>{title}，编号{mark}。</p>"  # one sentence, nearly the title
    if form == 1:
        return f"{SPACER}{CHART}{SPACER}{CHART}" + "\n ".join(paragraphs)
    if form == 2:
        return "".join([*paragraphs[:2], picture, *paragraphs[2:]])
    if form == 3:
        row = "<tr><td>{}</td><td>{:.2f}%</td><td>-{}.5</td></tr>"
        rows = "".join(row.format(chinese_text(rng, 2), rng.random() * 9, at) for at in range(40))
        return f"{marked}<table><tbody>{rows}</tbody></table>"
    if form == 4:
        return (
            f"{marked}<p>《&lt;{chinese_text(rng, 4)}&gt;修正案》 A&amp;B 3.5% ¥4.2</p>"
            + "\n ".join(paragraphs[1:])
        )
    if form == 5:
        keyword = (
            '上海<span id="bk_90.BK0473"><a href="http://quote.eastmoney.com/unify/r/90.BK0473" '
            'class="keytip" data-code="90,BK0473">证券</a></span><span id="bkquote_90.BK0473">'
            "</span>报"
        )
        return "\n ".join(paragraphs) + f'<p class="em_media">（文章来源：{keyword}）</p>'
    if form == 6:
        nested = "<span>" * 20 + sentence(rng, 9) + "</span>" * 20
        return f"{marked}<p>{nested}</p>" + "\n ".join(paragraphs[1:])
    if form == 7:
        return marked + "".join(f"<p>　　{sentence(rng, 60)}</p>\n" for _ in range(8))
    return "\n ".join(paragraphs) + '<p class="em_media">（文章来源：财联社）</p>'


# --- finews ----------------------------------------------------------------------------


def finews(era: str, reported: Story, article_id: str, showtime: str) -> bytes:
    """A post as a version of finews wrote it.

    Args:
        era: ``A`` to ``C`` wrote rolling news (18 digits), ``D`` to ``G`` media (NW).
        reported: The content of the article.
        article_id: Its own id.
        showtime: ``YYYY-MM-DD HH:MM:SS``, or empty as upstream sent it at times.
    """
    name, medium = _ROLLING if era in "ABC" else reported.medium[::-1]
    zone = "" if era in "AB" else " +0800"
    link = "" if not showtime else _link(era, article_id)
    blank = "\n" if era == "A" else ""
    head = (
        f'{blank}---\nlayout: post\ntitle: "{reported.title}"\ndate: {showtime}{zone}\n'
        f"categories: {name}\ntags: {medium}新闻\n---\n"
    )
    body = {
        "A": f"\n{reported.digest}",
        "B": f"\n{reported.digest}",
        "D": f"{reported.title}\n{reported.digest}",
    }
    rolling = (
        f"> {reported.title if reported.mark.endswith('3') else reported.digest}\n\n{reported.html}"
    )
    text = body.get(era, rolling if era == "C" else reported.html)
    return f"{head}{text}\n\n<{link}>{_footer(era, medium, name, reported)}".encode()


def _link(era: str, article_id: str) -> str:
    if era in "ABC":
        host = ("finance", "stock", "hk", "futures", "mss")[int(article_id[-1]) % 5]
        return f"http://{host}.eastmoney.com/news/1354,{article_id}.html"
    host = "choicewzp1.eastmoney.com" if era in "DF" else "finews.zning.xyz"
    return f"http://{host}/html_News/NewsShare.html?infoCode={article_id}"


def _footer(era: str, medium: str, name: str, reported: Story) -> str:
    back = f"\n\n[返回{medium}新闻]"
    if era == "A":
        return ""
    if era == "B":
        up = "../" if int(reported.mark) % 2 else "./"
        return f"{back}({up}{name}/)\n[返回首页]({up})"
    host = {"C": "zning.me", "D": "zning.me"}.get(era, "withounder.com")
    place = f"/{name}/" if era in "CDE" else f"/category/{name}.html"
    return f"{back}(//finews.{host}{place})｜[返回首页](//finews.{host}/)"


# --- the aggregator --------------------------------------------------------------------

DATES = (
    "Wed, 23 Mar 2022 00:00:00 GMT", "Wed, 31 Aug 2022 07:49:00 GMT", "Invalid Date",
    "2021-10-25 06:10:16", "Fri, 18 Apr 2014", "Fri, 28 May 2021 07:45:00 GMT",
)  # fmt: skip
_UNFIT = str.maketrans(dict.fromkeys(":/\\?*“”<>|[]\n", "_"))


def hexo_title(title: str) -> str:
    """A title as the aggregator wrote it: ``_`` replaces characters that no file name may hold."""
    return title.translate(_UNFIT)


def hexo(
    rng: Random, reported: Story, site: tuple[str, str, str], date: str, *, old: bool
) -> bytes:
    """A post of the aggregator, in its current or its oldest form."""
    title = hexo_title(reported.title)
    quote = '"' if "'" in title else "'"
    image = f"https://picsum.photos/400/300?random={rng.randint(1, 10_000)}"
    if reported.mark.endswith(("1", "5")):
        image = f"{PROXY}http://image.example/{reported.mark}.png"
    indent = "    " if old else " "
    route = f"| {site[2]}" if old else site[2]
    categories = "".join(f"{indent}- {name}\n" for name in (*site[:2], route))
    headimg = "" if old else f"headimg: '{image}'\n"
    blank = "\n" if old else ""
    text = (
        f"\n---\ntitle: {quote}{title}{quote}\ncategories: \n{categories}{headimg}{blank}"
        f"author: {site[1]}\ncomments: false\ndate: {date}\nthumbnail: '{image}'\n---\n\n"
        f"<div>   \n{_hexo_body(reported)}  \n</div>\n            "
    )
    return text.replace("{", "&#123;").replace("}", "&#125;").encode()


def _hexo_body(reported: Story) -> str:
    form = int(reported.mark) % 6
    if form == 0:
        return f"编号{reported.mark}，快讯。"  # bare words
    if form == 1:
        return f"<br>{reported.html}"
    if form == 2:
        return (
            f"{reported.html}<p>允许将属性放入 <script>、<style> 或样式表 <link> 使其显式呈现阻塞。</p>"
            "<textarea> 之后"
        )
    if form == 3:
        return (
            "<style>.markdown-body{word-break:break-word}</style>"
            f'{reported.html}<pre><code class="language-cpp">int main() {{ return 0; }}</code></pre>'
        )
    if form == 4:
        return (
            f'<div class="img_box"><img data-original="{PICTURE.format(1)}" '
            f'src="{PROXY}http://image.example/1.gif" referrerpolicy="no-referrer"></div>'
            f"{reported.html}适用于\nLinux １１．２８ 102．2％"
        )
    return f'<blockquote><p>编辑导语：{reported.title}</p></blockquote>\n{reported.html}<p alt=""> </p>'

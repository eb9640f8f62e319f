"""What the model must beat: a TF-IDF linear model trained on the same corpus, and a list of keywords."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from screening.classifier import Input
from screening.normalise import normalise
from training.corpus import Row

# Of a label that no text carries.
NEVER = -10.0

# The words that keyword tools list for each label.
KEYWORDS: dict[str, tuple[str, ...]] = {
    "clause_exempt_liability": ("概不负责", "不承担任何责任", "概不承担", "不负任何责任", "后果自负", "一概不负责"),
    "clause_limit_remedy": ("不得要求赔偿", "赔偿不超过", "最高赔偿", "不退换", "概不退换", "拆封不退"),
    "clause_limit_recourse": ("不得投诉", "不得起诉", "不得举报", "所在地人民法院", "放弃诉讼", "不得申请仲裁"),
    "clause_limit_termination": ("概不退款", "不予退款", "不得退课", "不得退卡", "不得转让", "不得解除", "恕不退款"),
    "clause_sole_interpretation": ("最终解释权", "解释权归", "拥有解释权"),
    "clause_unilateral_change": ("随时修改", "随时变更", "随时调整", "恕不另行通知", "不另行通知", "有权单方"),
    "clause_excess_penalty": ("违约金", "不予退还押金", "余额作废", "过期作废", "定金不退", "没收"),
    "clause_deemed_consent": ("视为同意", "即表示同意", "视为接受", "默认同意", "自动续费", "视为认可"),
    "clause_forced_deal": ("最低消费", "禁止自带", "谢绝自带", "开瓶费", "必须购买", "指定购买"),
    "clause_blanket_authorisation": ("不可撤销", "永久授权", "无偿使用", "任意使用", "全球范围内"),
    "clause_other_unfair": ("以我方为准", "由消费者举证", "逾期视为", "单方决定"),
    "clause_platform_duty": ("不承担审核", "无义务核实", "二选一", "独家经营", "与平台无关", "平台不介入"),
    "ad_absolute": ("最佳", "第一", "顶级", "最好", "国家级", "最高级", "唯一", "最强", "极致"),
    "ad_state_symbol": ("特供", "专供", "国宴", "国旗", "国徽", "人民大会堂", "国家机关", "领导人"),
    "ad_public_order": ("风水", "转运", "开光", "美女", "脱单", "改运", "丑"),
    "ad_medical_claim": ("治疗", "治愈", "根治", "抗癌", "糖尿病", "高血压", "消炎", "祛病"),
    "ad_health_function": ("增强免疫力", "补肾", "减肥", "改善睡眠", "排毒", "养颜", "抗疲劳"),
    "ad_efficacy_guarantee": ("无副作用", "治愈率", "有效率", "药到病除", "无效退款", "100%有效", "安全无毒"),
    "ad_endorsement": ("专家推荐", "患者", "医生推荐", "明星同款", "代言", "用户反馈"),
    "ad_unreviewed": ("处方药", "香烟", "电子烟", "肉毒素", "水光针", "一段奶粉"),
    "ad_education_promise": ("保过", "包过", "提分", "押题", "命题人", "不过退费", "保录取"),
    "ad_investment_return": ("稳赚", "保本", "年化", "零风险", "高回报", "躺赚", "收益"),
    "ad_real_estate": ("升值", "分钟到", "学区", "投资回报", "包租", "落户", "地铁口"),
    "ad_false_misleading": ("百年老店", "十大品牌", "销量第一", "全网热销", "祖传", "独家秘方"),
    "ad_citation_patent": ("专利", "驰名商标", "99%", "数据显示", "调查显示", "实验证明"),
    "ad_disparage": ("别家", "其他品牌", "同行", "不像某", "假货", "智商税"),
    "product_counterfeit": ("高仿", "复刻", "A货", "原单", "尾单", "一比一", "同厂"),
    "product_gi_infringement": ("中宁枸杞", "五常大米", "阳澄湖", "西湖龙井", "库尔勒香梨"),
    "product_no_label": ("三无", "无中文标签", "散装", "裸装", "没有标签", "无生产日期"),
    "product_food_unlicensed": ("自制", "手工做", "家里做", "私房", "临期", "过期"),
    "product_wildlife": ("捕鸟网", "野生", "象牙", "穿山甲", "兽夹", "电鱼"),
    "product_contraband": ("窃听", "偷拍", "办证", "发票", "弹弓", "外挂", "账号出售"),
    "product_restricted_sale": ("烟弹", "处方", "烟花", "酒精", "隐形眼镜", "特医"),
    "product_price_fraud": ("原价", "最低价", "清仓", "骨折价", "史上最低"),
    "product_low_price_tour": ("零团费", "购物店", "低价游", "进店", "双飞"),
    "product_fake_transaction": ("刷单", "好评返现", "补单", "涨粉", "五星好评", "刷量"),
    "product_pyramid": ("拉人头", "下线", "入门费", "层级", "团队奖", "推荐奖", "裂变"),
    "product_return_refusal": ("不支持七天", "不退不换", "概不退货", "不支持退货"),
    "product_privacy": ("个人信息", "手机号码", "客户资料", "名单", "开房记录", "身份证"),
    "product_unlicensed": ("无证", "无照", "没有执照", "不用办证", "私人工作室"),
}


class KeywordList:
    """Gives a label wherever one of its words stands in the text."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.words = [KEYWORDS[label] for label in labels]

    def decide(self, inputs: Sequence[Input]) -> NDArray[np.bool_]:
        """Return the decisions (texts, labels)."""
        return np.array([[any(word in item.text for word in words) for words in self.words] for item in inputs])


class LinearModel:
    """TF-IDF over characters n-grams, and one logistic regression per label."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = labels
        self.text = TfidfVectorizer(
            analyzer="char", ngram_range=(1, 4), min_df=2, sublinear_tf=True, max_features=200_000
        )
        self.context = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2)
        self.models: list[LogisticRegression | None] = []

    def _features(self, inputs: Sequence[Input], *, fit: bool = False) -> csr_matrix:
        texts, contexts = [item.text for item in inputs], [item.context() for item in inputs]
        parts = [
            vectoriser.fit_transform(column) if fit else vectoriser.transform(column)
            for vectoriser, column in ((self.text, texts), (self.context, contexts))
        ]
        return hstack(parts, format="csr")

    def fit(self, rows: Sequence[Row]) -> "LinearModel":
        """Train on corpus rows; a label's unclear rows are left out for it. Returns itself."""
        features = self._features([Input(normalise(r.text).text, r.kind, r.category) for r in rows], fit=True)
        for label in self.labels:
            known = np.array([label not in row.unclear for row in rows])
            truth = np.array([label in row.labels for row in rows])[known]
            if not truth.any():
                self.models.append(None)
                continue
            model = LogisticRegression(C=10.0, class_weight="balanced", solver="liblinear")
            self.models.append(model.fit(features[known], truth))
        return self

    def logits(self, inputs: Sequence[Input]) -> NDArray[np.float32]:
        """Return log-odds (texts, labels)."""
        features = self._features(inputs)
        never = np.full(len(inputs), NEVER)
        columns = [model.decision_function(features) if model else never for model in self.models]
        return np.stack(columns, axis=1).astype(np.float32)

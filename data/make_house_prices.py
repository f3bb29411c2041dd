"""What do the embedded house prices hold? Invented houses in the columns of the Ames data.

    python data/make_house_prices.py [FOLDER]

writes house_prices_train.csv (1,460 rows with a price) and house_prices_test.csv (1,459 without) and prints
their SHA-256. The columns, their order and the names of their levels are those of De Cock's data set
(Journal of Statistics Education 19(3), 2011); shares, ranges and effects below are round numbers set by hand,
and no row comes from a real sale. Each house agrees with itself: a house without a garage has no garage year,
the parts of a basement sum to its whole.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd

TRAIN, TEST = 1460, 1459

COLUMNS = """
    Id MSSubClass MSZoning LotFrontage LotArea Street Alley LotShape LandContour Utilities LotConfig LandSlope
    Neighborhood Condition1 Condition2 BldgType HouseStyle OverallQual OverallCond YearBuilt YearRemodAdd
    RoofStyle RoofMatl Exterior1st Exterior2nd MasVnrType MasVnrArea ExterQual ExterCond Foundation BsmtQual
    BsmtCond BsmtExposure BsmtFinType1 BsmtFinSF1 BsmtFinType2 BsmtFinSF2 BsmtUnfSF TotalBsmtSF Heating
    HeatingQC CentralAir Electrical 1stFlrSF 2ndFlrSF LowQualFinSF GrLivArea BsmtFullBath BsmtHalfBath
    FullBath HalfBath BedroomAbvGr KitchenAbvGr KitchenQual TotRmsAbvGrd Functional Fireplaces FireplaceQu
    GarageType GarageYrBlt GarageFinish GarageCars GarageArea GarageQual GarageCond PavedDrive WoodDeckSF
    OpenPorchSF EnclosedPorch 3SsnPorch ScreenPorch PoolArea PoolQC Fence MiscFeature MiscVal MoSold YrSold
    SaleType SaleCondition SalePrice
"""

# Neighbourhood: share, typical year built and its spread, typical quality, typical lot (square feet),
# zone, and what the address itself adds to the log price.
NEIGHBOURHOODS = """
    NAmes   15   1960  7  5.3  9500 RL -.03    Crawfor  3.5 1942 20  6.2  9500 RL  .12
    CollgCr 10   2000  6  6.6  9000 RL  .02    Mitchel  3.5 1980 12  5.5 10000 RL -.02
    OldTown  8   1920 18  5.3  7500 RM -.11    NoRidge  3   1996  3  7.9 12000 RL  .12
    Edwards  7   1955 20  5.0  9000 RL -.09    Timber   2.5 1992 12  7.0 13000 RL  .05
    Somerst  6   2004  3  7.2  7000 FV  .07    IDOTRR   2.5 1925 16  4.8  7500 RM -.16
    Gilbert  5.5 1999  5  6.4 10000 RL  .00    ClearCr  2   1968 14  6.2 17000 RL  .08
    NridgHt  5.5 2005  2  8.2 10500 RL  .14    StoneBr  1.7 1999  7  8.2 10000 RL  .17
    Sawyer   5   1964  7  5.1  9500 RL -.04    SWISU    1.7 1925 11  5.5  6800 RL -.06
    NWAmes   5   1975  5  6.2 10500 RL  .00    MeadowV  1.2 1972  3  4.5  2600 RM -.15
    SawyerW  4   1988 12  6.3  9500 RL -.01    Blmngtn  1   2005  2  7.2  3500 RL  .04
    BrkSide  4   1932 12  5.2  6500 RM -.07    BrDale   1   1971  1  5.7  1900 RM -.13
    Veenker   .8 1980  8  6.7 12500 RL  .10    NPkVill   .6 1975  2  6.0  2700 RL -.04
    Blueste   .25 1980 2  6.4  2200 RM -.05
"""

# Columns drawn on their own: each level with its share. NA: nothing is there, or it was not recorded.
ALONE = {
    "Street": "Pave 99.6 Grvl .4",
    "Alley": "NA 93.5 Grvl 3.7 Pave 2.8",
    "LotShape": "Reg 63 IR1 33 IR2 3 IR3 .7",
    "LandContour": "Lvl 90 Bnk 4 HLS 3.5 Low 2.5",
    "Utilities": "AllPub 99.8 NoSeWa .1 NA .1",
    "LotConfig": "Inside 72 Corner 18 CulDSac 6.5 FR2 3 FR3 .4",
    "LandSlope": "Gtl 95 Mod 4.3 Sev .7",
    "Condition1": "Norm 86 Feedr 5.5 Artery 3.2 RRAn 1.8 PosN 1.3 RRAe .9 PosA .7 RRNn .4 RRNe .2",
    "Condition2": "Norm 98.8 Feedr .5 Artery .2 PosN .15 PosA .1 RRNn .1 RRAn .06 RRAe .06",
    "OverallCond": "1 .1 2 .3 3 1.7 4 4 5 56 6 18 7 14 8 5 9 1.3",
    "RoofStyle": "Gable 78.5 Hip 19 Flat .9 Gambrel .8 Mansard .5 Shed .2",
    "RoofMatl": "CompShg 98.3 Tar&Grv .8 WdShngl .35 WdShake .3 Metal .06 Membran .06 Roll .06 ClyTile .06",
    "Heating": "GasA 98 GasW 1 Grav .5 Wall .3 OthW .1 Floor .06",
    "Functional": "Typ 93 Min2 2.4 Min1 2.2 Mod 1.2 Maj1 .8 Maj2 .3 Sev .08 NA .07",
    "PavedDrive": "Y 91.5 N 6.5 P 2",
    "Fence": "NA 80.5 MnPrv 11 GdPrv 4 GdWo 3.8 MnWw .7",
    "MiscFeature": "NA 96.4 Shed 3.2 Gar2 .2 Othr .15 TenC .05",
    "MoSold": "1 4 2 4 3 7.5 4 10 5 14 6 17 7 16 8 8.5 9 5 10 6 11 5 12 4",
    "YrSold": "2006 21.5 2007 23 2008 21 2009 22.5 2010 12",
}

GRADES = np.array(["Po", "Fa", "TA", "Gd", "Ex"], dtype=object)


class Draw:
    """Chance for ``n`` houses. RandomState's stream is frozen by NumPy, so the files stay the same."""

    def __init__(self, seed, n):
        self.state, self.n = np.random.RandomState(seed), n

    def pick(self, levels):
        """One level for each house, from a line of levels and shares."""
        words = levels.split()
        shares = np.array(words[1::2], dtype=float)
        chosen = np.array(words[0::2], dtype=object)[
            self.state.choice(len(shares), self.n, p=shares / shares.sum())
        ]
        return np.where(chosen == "NA", None, chosen)

    def whole(self, mean, spread, low, high):
        """Rounded normal numbers held within [low, high]."""
        return np.clip(np.rint(mean + spread * self.state.standard_normal(self.n)), low, high).astype(int)

    def chance(self, p):
        """True with probability ``p``."""
        return self.state.random_sample(self.n) < p

    def grade(self, score, spread=0.5):
        """Po … Ex from a score whose 2 is typical (TA), 3 good and 4 excellent."""
        return GRADES[self.whole(score, spread, 0, 4)]


def spaced(names):
    """Levels with the spaces that a line of levels writes as underscores."""
    return np.array([None if name is None else name.replace("_", " ") for name in names], dtype=object)


def land(h, draw):
    """Where the house stands, when it was built, how well; the typical lot steers the lot."""
    words = np.array(NEIGHBOURHOODS.split(), dtype=object).reshape(-1, 8)
    index = draw.pick(" ".join(f"{i} {share}" for i, share in enumerate(words[:, 1]))).astype(int)
    here = words[index]
    h["Neighborhood"], h["MSZoning"] = here[:, 0], here[:, 6]
    year, spread, quality, lot = here[:, 2:6].astype(float).T
    h["YrSold"] = draw.pick(ALONE["YrSold"]).astype(int)
    h["YearBuilt"] = np.minimum(draw.whole(year, spread, 1872, 2010), h["YrSold"])
    h["OverallQual"] = draw.whole(quality + (h["YearBuilt"] - year) / 40, 0.85, 1, 10)
    h["LotArea"] = np.rint(lot * np.exp(0.28 * draw.state.standard_normal(draw.n))).astype(int)
    h["LotArea"] = np.where(draw.chance(0.01), 4 * h["LotArea"], h["LotArea"])
    zone = draw.pick("usual 96 RM 2.2 RH 1.2 C_(all) .5 NA .1")
    h["MSZoning"] = spaced(np.where(zone == "usual", h["MSZoning"], zone))
    frontage = draw.whole(0.55 * np.sqrt(h["LotArea"]) + 16, 11, 21, 313)
    h["LotFrontage"] = np.where(draw.chance(0.17), None, frontage)
    alone = "Street Alley LotShape LandContour Utilities LotConfig LandSlope Condition1 Condition2"
    for column in alone.split():
        h[column] = draw.pick(ALONE[column])
    h["address"] = here[:, 7].astype(float)  # kept until the price is made
    h["small lot"] = lot < 4000


def building(h, draw):
    """Kind, style, size and shell."""
    town = np.where(draw.chance(0.7), "TwnhsE", "Twnhs")
    h["BldgType"] = np.where(
        h["small lot"], town, draw.pick("1Fam 91 TwnhsE 3.5 Twnhs .6 Duplex 3 2fmCon 1.9")
    )
    joined = np.isin(h["BldgType"], ["TwnhsE", "Twnhs"])
    old = h["YearBuilt"] < 1946
    style = np.where(
        old,
        draw.pick("1.5Fin 38 2Story 27 1Story 26 1.5Unf 4 2.5Unf 3.4 2.5Fin 1.6"),
        draw.pick("1Story 56 2Story 34 SLvl 5.5 SFoyer 3 1.5Fin 1.5"),
    )
    h["HouseStyle"] = np.where(joined, draw.pick("1Story 55 2Story 43 SLvl 1 SFoyer 1"), style)
    storeys = h["HouseStyle"].astype(str)

    living = 1290 + 175 * (h["OverallQual"] - 6) + 330 * np.isin(storeys, ["2Story", "2.5Fin", "2.5Unf"])
    living = living * np.exp(0.21 * draw.state.standard_normal(draw.n)) * np.where(joined, 0.88, 1)
    upstairs = np.select(
        [storeys == "2Story", storeys == "2.5Fin", storeys == "2.5Unf", storeys == "1.5Fin"],
        [0.48, 0.55, 0.45, 0.36],
        0.0,
    )
    h["2ndFlrSF"] = np.rint(upstairs * living).astype(int)
    h["1stFlrSF"] = np.maximum(np.rint(living).astype(int) - h["2ndFlrSF"], 334)
    h["LowQualFinSF"] = np.where(draw.chance(0.06 * old), draw.whole(280, 140, 53, 572), 0)
    h["GrLivArea"] = h["1stFlrSF"] + h["2ndFlrSF"] + h["LowQualFinSF"]

    h["OverallCond"] = draw.pick(ALONE["OverallCond"]).astype(int)
    h["OverallCond"] = np.where(h["YearBuilt"] > 2000, 5, h["OverallCond"])
    since = np.maximum(h["YearBuilt"], 1950)  # the records of remodelling start in 1950
    later = since + np.rint((h["YrSold"] - since) * draw.state.random_sample(draw.n) ** 0.6).astype(int)
    h["YearRemodAdd"] = np.where(draw.chance(0.47), later, since)
    h["RoofStyle"], h["RoofMatl"] = draw.pick(ALONE["RoofStyle"]), draw.pick(ALONE["RoofMatl"])

    first = np.select(
        [h["YearBuilt"] >= 1988, h["YearBuilt"] >= 1946],
        [
            draw.pick(
                "VinylSd 72 CemntBd 9 HdBoard 10 MetalSd 3 Wd_Sdng 3 BrkFace 1.5 Stucco 1 ImStucc .1 Stone .1"
            ),
            draw.pick(
                "HdBoard 29 MetalSd 23 Wd_Sdng 14 Plywood 17 VinylSd 8 BrkFace 6 WdShing 2 AsbShng 1 NA .1"
            ),
        ],
        draw.pick(
            "Wd_Sdng 36 MetalSd 29 VinylSd 17 Stucco 5 AsbShng 4.5 WdShing 4 "
            "BrkFace 3.5 BrkComm .5 CBlock .2 AsphShn .3"
        ),
    )
    first = spaced(first)
    # The two exterior columns of the real data spell three materials differently.
    respelt = {"CemntBd": "CmentBd", "WdShing": "Wd Shng", "BrkComm": "Brk Cmn"}
    second = np.array([respelt.get(name, name) for name in first], dtype=object)
    other = draw.pick(
        "Plywood 50 VinylSd 14 HdBoard 12 Stucco 8 BrkFace 6 ImStucc 5 Stone 3 Other 1 AsphShn 1"
    )
    h["Exterior1st"] = first
    h["Exterior2nd"] = np.where(draw.chance(0.12) & pd.notna(first), other, second)

    veneer = np.where(
        draw.chance(np.clip(0.12 + 0.11 * (h["OverallQual"] - 4), 0.05, 0.75)),
        draw.pick("BrkFace 76 Stone 21 BrkCmn 3"),
        "None",
    )
    area = np.where(veneer == "None", 0, draw.whole(110 + 0.1 * h["GrLivArea"], 130, 16, 1600)).astype(object)
    unrecorded = draw.chance(0.008)
    h["MasVnrType"], h["MasVnrArea"] = np.where(unrecorded, None, veneer), np.where(unrecorded, None, area)
    h["ExterQual"] = draw.grade(2.35 + 0.36 * (h["OverallQual"] - 6), 0.3)
    h["ExterCond"] = draw.grade(2.08 + 0.05 * (h["OverallCond"] - 5), 0.34)
    h["Foundation"] = np.select(
        [h["YearBuilt"] >= 1985, h["YearBuilt"] >= 1940],
        [draw.pick("PConc 96 CBlock 3 Wood .6 Slab .4"), draw.pick("CBlock 87 PConc 9 Slab 3.5 Wood .2")],
        draw.pick("BrkTil 58 CBlock 22 PConc 16 Stone 2.5 Slab 1.5"),
    )


def basement(h, draw):
    """What lies below; one house in thirty has nothing there."""
    none = (h["Foundation"] == "Slab") | draw.chance(0.013)
    whole = np.where(none, 0, draw.whole(0.97 * h["1stFlrSF"], 70, 105, 6110))
    finish = draw.pick("Unf 30 GLQ 29 ALQ 15 BLQ 10.5 Rec 9.5 LwQ 5.5")
    second = np.where(finish == "Unf", "Unf", draw.pick("Unf 84 Rec 5.4 LwQ 4.5 BLQ 3 ALQ 2 GLQ 1.3"))
    share = np.clip(0.6 + 0.22 * draw.state.standard_normal(draw.n), 0.03, 1)
    first_part = np.where(finish == "Unf", 0, np.rint(share * whole)).astype(int)
    second_part = np.where(second == "Unf", 0, np.rint(0.7 * (whole - first_part))).astype(int)
    h["BsmtFinSF1"], h["BsmtFinSF2"] = first_part, second_part
    h["BsmtUnfSF"], h["TotalBsmtSF"] = whole - first_part - second_part, whole
    # A basement is graded by its height, and height came with the years.
    height = draw.grade(2.45 + (h["YearBuilt"] - 1975) / 45 + 0.1 * (h["OverallQual"] - 6), 0.3)
    graded = {
        "BsmtQual": np.where(height == "Po", "Fa", height),
        "BsmtCond": draw.grade(2.02 + 0.05 * (h["OverallCond"] - 5), 0.24),
        "BsmtExposure": np.where(draw.chance(0.001), None, draw.pick("No 67 Av 15.5 Gd 9.5 Mn 8")),
        "BsmtFinType1": finish,
        "BsmtFinType2": second,
    }
    h.update({column: np.where(none, None, values) for column, values in graded.items()})
    finished = first_part + second_part
    h["BsmtFullBath"] = np.where(draw.chance(np.clip(finished / 1100, 0, 0.9)), draw.whole(1, 0.22, 1, 3), 0)
    h["BsmtHalfBath"] = np.where((finished > 0) & draw.chance(0.08), draw.whole(1, 0.2, 1, 2), 0)


def rooms(h, draw):
    """Heat, wiring, rooms and fireplaces."""
    h["Heating"], h["Functional"] = draw.pick(ALONE["Heating"]), draw.pick(ALONE["Functional"])
    h["HeatingQC"] = draw.grade(3.0 + (h["YearRemodAdd"] - 1985) / 22, 0.75)
    modern = h["YearBuilt"] >= 1960
    h["CentralAir"] = np.where(draw.chance(np.where(modern, 0.99, 0.85)), "Y", "N")
    wiring = np.where(
        modern, draw.pick("SBrkr 98.8 FuseA 1.2"), draw.pick("SBrkr 81 FuseA 14 FuseF 4.3 FuseP .5 Mix .2")
    )
    h["Electrical"] = np.where(draw.chance(0.001), None, wiring)
    area = h["GrLivArea"]
    h["BedroomAbvGr"] = draw.whole(1.5 + area / 1100, 0.65, 0, 8)
    h["KitchenAbvGr"] = np.where(np.isin(h["BldgType"], ["Duplex", "2fmCon"]) & draw.chance(0.8), 2, 1)
    h["TotRmsAbvGrd"] = np.maximum(
        draw.whole(1.9 + area / 345, 0.7, 2, 14), h["BedroomAbvGr"] + h["KitchenAbvGr"]
    )
    h["FullBath"] = draw.whole(0.6 + area / 1700 + (h["YearBuilt"] - 1970) / 90, 0.38, 1, 3)
    h["HalfBath"] = draw.whole(0.12 + 0.5 * (h["2ndFlrSF"] > 0), 0.4, 0, 2)
    kitchen = draw.grade(2.4 + 0.3 * (h["OverallQual"] - 6) + (h["YearRemodAdd"] - 1988) / 60, 0.4)
    h["KitchenQual"] = np.where(draw.chance(0.0005), None, np.where(kitchen == "Po", "Fa", kitchen))
    h["Fireplaces"] = draw.whole(0.45 + 0.22 * (h["OverallQual"] - 6) + (area - 1500) / 2200, 0.55, 0, 3)
    hearth = draw.grade(2.45 + 0.1 * (h["OverallQual"] - 6), 0.7)
    h["FireplaceQu"] = np.where(h["Fireplaces"] == 0, None, hearth)


def outside(h, draw):
    """Garage, drive, porches, pool and fence."""
    none = draw.chance(np.where(h["YearBuilt"] < 1946, 0.13, 0.035))
    kind = np.where(
        h["YearBuilt"] < 1950,
        draw.pick("Detchd 82 Attchd 13 Basment 2.5 CarPort 1.2 2Types .7 BuiltIn .6"),
        draw.pick("Attchd 77 Detchd 13 BuiltIn 8 Basment 1.2 CarPort .6 2Types .3"),
    )
    later = h["YearBuilt"] + np.rint(
        0.7 * (h["YrSold"] - h["YearBuilt"]) * draw.state.random_sample(draw.n)
    ).astype(int)
    year = np.where((kind == "Detchd") & draw.chance(0.6), later, h["YearBuilt"])
    cars = draw.whole(1.7 + 0.24 * (h["OverallQual"] - 6) + (h["YearBuilt"] - 1972) / 75, 0.45, 1, 4)
    h["GarageCars"] = np.where(none, 0, cars)
    h["GarageArea"] = np.where(none, 0, draw.whole(60 + 225 * cars, 55, 160, 1488))
    finish = np.select(
        [year >= 1995, year >= 1960],
        [draw.pick("RFn 45 Fin 43 Unf 12"), draw.pick("RFn 36 Unf 40 Fin 24")],
        draw.pick("Unf 87 Fin 7 RFn 6"),
    )
    graded = {
        "GarageType": kind,
        "GarageYrBlt": year,
        "GarageFinish": finish,
        "GarageQual": draw.grade(1.99, 0.24),
        "GarageCond": draw.grade(1.99, 0.22),
    }
    h.update({column: np.where(none, None, values) for column, values in graded.items()})
    h["PavedDrive"] = draw.pick(ALONE["PavedDrive"])
    for column, share, mean, spread, low, high in (
        ("WoodDeckSF", 0.48, 195, 100, 12, 1424),
        ("OpenPorchSF", 0.55, 85, 60, 4, 742),
        ("EnclosedPorch", 0.15, 155, 75, 19, 1012),
        ("3SsnPorch", 0.016, 210, 90, 23, 508),
        ("ScreenPorch", 0.08, 190, 75, 40, 576),
        ("PoolArea", 0.005, 580, 110, 144, 800),
    ):
        h[column] = np.where(draw.chance(share), draw.whole(mean, spread, low, high), 0)
    h["PoolQC"] = np.where(h["PoolArea"] == 0, None, draw.pick("Ex 40 Gd 35 Fa 25"))
    h["Fence"], h["MiscFeature"] = draw.pick(ALONE["Fence"]), draw.pick(ALONE["MiscFeature"])
    worth = 100 * draw.whole(6, 4, 1, 155)
    h["MiscVal"] = np.where(pd.isna(h["MiscFeature"]), 0, worth)


def sale(h, draw):
    """When and how it was sold; a house built in the year of its sale was mostly sold new."""
    h["MoSold"] = draw.pick(ALONE["MoSold"]).astype(int)
    new = (h["YrSold"] - h["YearBuilt"] <= 1) & draw.chance(0.75)
    kind = draw.pick("WD 94.8 COD 3.1 ConLD .6 ConLI .35 ConLw .35 CWD .3 Oth .2 Con .15 NA .06")
    condition = draw.pick("Normal 89.7 Abnorml 7.6 Family 1.5 Alloca .8 AdjLand .4")
    h["SaleType"], h["SaleCondition"] = np.where(new, "New", kind), np.where(new, "Partial", condition)


def subclass(h):
    """The assessor's number for kind, style and age."""
    style, old = h["HouseStyle"], h["YearBuilt"] < 1946
    town = np.isin(h["BldgType"], ["TwnhsE", "Twnhs"])
    numbers = {
        90: h["BldgType"] == "Duplex",
        190: h["BldgType"] == "2fmCon",
        120: town & (style == "1Story"),
        160: town & (style == "2Story"),
        180: town,
        45: style == "1.5Unf",
        50: style == "1.5Fin",
        75: np.isin(style, ["2.5Unf", "2.5Fin"]),
        80: style == "SLvl",
        85: style == "SFoyer",
        70: (style == "2Story") & old,
        60: style == "2Story",
        30: old,
    }
    return np.select(list(numbers.values()), list(numbers), 20)


def price(h, draw):
    """Dollars, from what a buyer would look at, and noise with a few surprises.

    Additive in the log but for three bends: age counts less the older a house is, a large house gains
    more from quality, and a finished basement adds less to a small lot.
    """
    steps = {"Po": -2, "Fa": -1, "TA": 0, "Gd": 1, "Ex": 2}
    kitchen = np.array([steps.get(g, 0) for g in h["KitchenQual"]])
    quality, area = h["OverallQual"] - 6, np.log(h["GrLivArea"] / 1500)
    log_price = (
        11.87
        + h["address"]
        + 0.065 * quality
        + 0.33 * area
        + 0.05 * quality * area
        + 0.04 * (h["OverallCond"] - 5)
        - 0.05 * np.sqrt((h["YrSold"] - h["YearBuilt"]) / 10)
        + 0.0014 * (h["YearRemodAdd"] - 1985)
        + 0.00014 * (h["TotalBsmtSF"] - 1000)
        + 0.00011 * np.where(h["small lot"], 0.5, 1) * (h["BsmtFinSF1"] + h["BsmtFinSF2"])
        + 0.055 * h["GarageCars"]
        + 0.10 * np.log(h["LotArea"] / 9000)
        + 0.035 * kitchen
        + 0.03 * h["Fireplaces"]
        + 0.03 * (h["FullBath"] + h["BsmtFullBath"])
        + 0.06 * (h["CentralAir"] == "Y")
        - 0.06 * np.isin(h["Condition1"], ["Artery", "Feedr", "RRAe"])
        - 0.05 * np.isin(h["BldgType"], ["Duplex", "Twnhs", "2fmCon"])
        - 0.10 * (h["SaleCondition"] == "Abnorml")
        + 0.06 * (h["SaleCondition"] == "Partial")
        - 0.05 * ~np.isin(h["Functional"], ["Typ", None])
        - 0.25 * (h["MSZoning"] == "C (all)")
        + 0.08 * (h["PoolArea"] > 0)
    )
    spread = np.where(draw.chance(0.04), 0.30, 0.115)
    return 100 * np.rint(np.exp(log_price + spread * draw.state.standard_normal(draw.n)) / 100).astype(int)


def make():
    """Return the training table and the test table."""
    h, draw = {"Id": np.arange(1, TRAIN + TEST + 1)}, Draw(1872, TRAIN + TEST)
    for part in (land, building, basement, rooms, outside, sale):
        part(h, draw)
    h["MSSubClass"], h["SalePrice"] = subclass(h), price(h, draw)
    table = pd.DataFrame({column: h[column] for column in COLUMNS.split()})
    return table[:TRAIN], table[TRAIN:].drop(columns="SalePrice")


def main(folder=Path(__file__).parent):
    for name, table in zip(("train", "test"), make(), strict=True):
        path = Path(folder) / f"house_prices_{name}.csv"
        path.write_bytes(table.to_csv(index=False, na_rep="NA", lineterminator="\n").encode())
        print(hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size, path.name)


if __name__ == "__main__":
    main(*sys.argv[1:])

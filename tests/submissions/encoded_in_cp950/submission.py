# 作業四：卷積神經網路
import torch.nn as nn

relu = nn.ReLU()   # 第二題，激活函數
linear = nn.Linear(20, 30)   # 第五題，全連接層
Q1_EXPLANATION = "步幅為二，所以長寬減半；填補使輸出變大；擴張使卷積核變大。"
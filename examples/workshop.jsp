# A job shop of one's own in the format of JSPLIB: the numbers of jobs and machines, then a row per
# job of pairs "machine duration", in the order in which the job visits the machines (from 0).
5 3
1 3  2 9  0 2
1 8  2 6  0 8
1 6  0 4  2 4
2 1  1 5  0 5
2 8  1 3  0 2

"""Which share does each class have now, and where has a regression target moved? From predictions alone.

shares         BBSE and RLLS, by the confusion matrix, and what every estimator of shares does
em             LabelShiftEM, by expectation maximisation; calibration makes its probabilities honest
classes        what classifiers say, in all the forms they say it in
goodness       whether the predictions can be a mix of the classes at all
regression     TargetShift
"""
